"""SmolLM2-135M, trained for 8,192 tokens, extended to 16,384 on long English documents.

`pytest -m real tests/extension` runs this: 45 minutes on two cores. The numbers to be found were
measured without phasor, by one pass over the same text for each method.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import published
import pytest
import torch

import phasor
from phasor._extend.result import Extension
from phasor._extend.verdict import Finding

pytestmark = pytest.mark.real
TRAINED, TARGET = 8192, 16_384
BUDGET = 45 * 60.0


@dataclass(frozen=True)
class Run:
    result: Extension
    out: Path
    seconds: float

    def of(self, name: str) -> Finding:
        return next(each for each in self.result.verdict.findings if each.name == name)

    def loss(self, name: str, start: int, end: int) -> list[float]:
        """Of the bins between two positions."""
        edges = self.result.verdict.edges
        loss = self.of(name).loss
        return [loss[at] for at, (a, b) in enumerate(pairwise(edges)) if start <= a and b <= end]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    pytest.importorskip("accelerate", reason="transformers needs it to load a GGUF file")
    out = tmp_path_factory.mktemp("extended") / "smollm2-16k"
    with published.smollm2() as gguf, published.anarchism() as pages:
        before = gguf.read_bytes()
        start = time.monotonic()
        result = phasor.extend(gguf, to=TARGET, text=pages / "secH3.html", out=out, budget=BUDGET)
        yield Run(result, out, time.monotonic() - start)
        assert gguf.read_bytes() == before


def test_the_budget_is_kept(run: Run) -> None:
    assert run.seconds < 1.1 * BUDGET


def test_as_it_is_the_model_reads_to_ten_thousand_tokens_and_then_climbs(run: Run) -> None:
    assert all(2.7 < loss < 3.6 for loss in run.loss("none", 0, TRAINED))
    assert all(2.7 < loss < 3.6 for loss in run.loss("none", TRAINED, 10_240))
    assert run.loss("none", 15_360, TARGET)[-1] > 6
    none = run.of("none")
    assert none.effective is not None
    assert none.at_most is not None
    assert none.effective < 12_000
    # Intervals need more than one document; with fewer nothing is shown.
    assert TRAINED <= none.at_most < (TARGET if none.documents > 1 else TARGET + 1)


@pytest.mark.parametrize("name", ["ntk", "yarn"])
def test_ntk_and_yarn_read_to_the_target_and_cost_little(run: Run, name: str) -> None:
    assert all(2.7 < loss < 3.6 for loss in run.loss(name, 0, TARGET))
    assert run.of(name).regression is not None
    assert 0 < run.of(name).regression.mean < 0.03


def test_linear_costs_much_everywhere(run: Run) -> None:
    differences = [
        linear - none
        for linear, none in zip(
            run.loss("linear", 0, TRAINED), run.loss("none", 0, TRAINED), strict=True
        )
    ]
    assert all(0.4 < difference < 1.1 for difference in differences)
    assert 0.6 < sum(differences) / len(differences) < 1.0


def test_pass_keys_are_found_within_the_trained_length(run: Run) -> None:
    assert run.of("none").passkeys[TRAINED] == (3, 3)


def test_the_checkpoint_holds_to_the_target_and_generates_in_stock_transformers(run: Run) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Several do as well on this text: the simplest is written, and is the best only if it is shown.
    verdict = run.result.verdict
    assert verdict.written in ("ntk", "yarn", "llama3", "dynamic_ntk")
    assert verdict.best in (None, verdict.written)
    assert verdict.written in verdict.tied
    assert "none" not in verdict.tied
    # The documents may be too few to show that it holds; none may show that it does not.
    held = run.of(verdict.written).at_most
    assert held is not None
    assert held > 12_000
    config = json.loads((run.out / "config.json").read_text())
    assert config["max_position_embeddings"] in (TRAINED, TARGET)  # the former for dynamic_ntk
    model = AutoModelForCausalLM.from_pretrained(run.out, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(run.out)
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    written = model.generate(**prompt, max_new_tokens=6, do_sample=False)
    assert "Paris" in tokenizer.decode(written[0])

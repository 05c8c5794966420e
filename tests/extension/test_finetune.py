"""Training: it learns, changes only what it says, goes on after a kill, and is what is written."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from searched_model import TARGET, TRAINED, write_model
from test_search import Watcher
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

import phasor
from phasor._extend import finetune as module
from phasor._extend.course import _to_train
from phasor._extend.documents import Documents
from phasor._extend.evidence import edges
from phasor._extend.finetune import draw, finetune
from phasor._extend.install import installed
from phasor._extend.methods import METHODS, Candidate, Situation, candidates
from phasor._extend.run import extend
from phasor._extend.source import Subject, load
from phasor._extend.store import Measurement
from phasor.errors import ArgumentError

STEPS = 24


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def subject(path: Path) -> Subject:
    return load(path, target_length=TARGET)


@pytest.fixture(scope="module")
def yarn(subject: Subject) -> Candidate:
    return METHODS["yarn"](subject.situation)


@pytest.fixture(scope="module")
def documents() -> Documents:
    count = torch.arange(TARGET + 1)
    return Documents("a test", "0", (count % 7,), (count % 5 + 3, count % 3 + 40))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RATE", 5e-3)


def run(
    subject: Subject,
    yarn: Candidate,
    documents: Documents,
    folder: Path,
    watcher: Watcher | None = None,
    *,
    steps: int = STEPS,
    resume: bool = False,
) -> tuple[Subject, Candidate, tuple[float, ...]]:
    return finetune(
        subject, yarn, documents, folder, {"path": "tiny"}, watcher or Watcher(), steps=steps,
        resume=resume, save_each=5,
    )  # fmt: skip


def loss(subject: Subject, yarn: Candidate, tokens: torch.Tensor) -> float:
    frequencies = yarn.frequencies(subject.situation.frequencies, TARGET)
    with torch.no_grad(), installed(subject.rotary, frequencies):
        logits = subject.model(tokens[None, :-1]).logits[0]
    return cross_entropy(logits, tokens[1:]).item()


def test_it_learns_at_the_whole_length_and_changes_projections_alone(
    subject: Subject, yarn: Candidate, documents: Documents, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    tuned, candidate, losses = run(subject, yarn, documents, tmp_path)
    assert len(losses) == STEPS
    assert sum(losses[-5:]) < sum(losses[:5])
    assert candidate.name == "yarn-finetuned"
    assert candidate.rope_parameters == yarn.rope_parameters
    for document in documents.search:
        assert loss(tuned, yarn, document) < loss(subject, yarn, document) - 0.1
    after = tuned.model.state_dict()
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert torch.equal(subject.model.state_dict()[name], value)
        trained = name.endswith(
            ("q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight")
        )
        assert torch.equal(after[name], value) != trained


@pytest.mark.parametrize("steps", [3, 17])
def test_killed_and_resumed_gives_the_same_weights(
    subject: Subject, yarn: Candidate, documents: Documents, tmp_path: Path, steps: int
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, _, losses = run(subject, yarn, documents, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(subject, yarn, documents, tmp_path / "killed", Watcher(steps * 4 * TRAINED))
    if steps > 5:
        with pytest.raises(ArgumentError, match="add resume=True"):
            run(subject, yarn, documents, tmp_path / "killed")
        with pytest.raises(ArgumentError, match="was another"):
            run(subject, yarn, documents, tmp_path / "killed", resume=True, steps=STEPS + 1)
    for _ in range(2):  # the second time nothing is left to do
        resumed, _, again = run(subject, yarn, documents, tmp_path / "killed", resume=True)
        assert again == losses
        for name, value in whole.model.state_dict().items():
            assert torch.equal(resumed.model.state_dict()[name], value), name


def test_what_a_step_reads(subject: Subject, documents: Documents) -> None:
    furthest = 0
    for step in range(20):
        tokens, positions = draw(documents, subject.situation, step)
        assert positions.shape == (tokens.shape[0], TRAINED) == (4, tokens.shape[1] - 1)
        assert ((positions.diff() > 0).all(), (positions[:, 0] == 0).all()) == (True, True)
        furthest = max(furthest, int(positions.max()))
        stored = [document.unfold(0, TRAINED + 1, 1) for document in documents.search]
        assert all(any((rows == row).all(-1).any() for rows in stored) for row in tokens)
        assert torch.equal(tokens, draw(documents, subject.situation, step)[0])
    assert TARGET * 3 / 4 < furthest < TARGET


def test_attention_reaches_over_skipped_positions(subject: Subject) -> None:
    positions = torch.cat([torch.arange(16), torch.arange(60, 76)])[None]
    tokens = torch.arange(33)[None]
    other = tokens.clone()
    other[0, 3] = 99
    captured = []
    handle = subject.model.register_forward_hook(
        lambda _module, _inputs, output: captured.append(output.logits)
    )
    for each in (tokens, other):
        module._loss(subject.model, each, positions)
    handle.remove()
    assert (captured[0] - captured[1])[0, 16:].abs().max() > 1e-4
    assert torch.equal(captured[0][0, :3], captured[1][0, :3])


def test_text_for_it_must_be_left(
    subject: Subject, yarn: Candidate, documents: Documents, tmp_path: Path
) -> None:
    none = Documents("a test", "0", documents.measured, ())
    with pytest.raises(ArgumentError, match="beside the 1 to measure on"):
        run(subject, yarn, none, tmp_path)


def test_peft_must_be_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ArgumentError, match=r"pip install 'torch-phasor\[extend\]'"):
        extend(path, to=TARGET, finetune=1)


@pytest.mark.usefixtures("untrained")
def test_what_was_trained_is_measured_and_written(path: Path, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("abc" * (80 + number))
    result = extend(
        path, to=TARGET, methods=["yarn"], finetune=STEPS, text=tmp_path, out=tmp_path / "longer",
        documents=2, passkeys=0,
    )  # fmt: skip
    findings = {finding.name: finding for finding in result.verdict.findings}
    assert list(findings) == ["none", "yarn", "yarn-finetuned"]
    assert findings["yarn-finetuned"].documents == 2
    assert result.verdict.best == "yarn-finetuned"
    mean = {name: sum(finding.loss) / len(finding.loss) for name, finding in findings.items()}
    assert mean["yarn-finetuned"] < mean["yarn"] - 0.1
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "longer", dtype=torch.float32)
    tokenizer = load(path, target_length=TARGET).tokenizer
    tokens = torch.tensor(tokenizer.encode("abc" * 80))[None, : TARGET + 1]
    with torch.no_grad():
        logits = written.eval()(tokens[:, :-1]).logits[0]
    assert cross_entropy(logits, tokens[0, 1:]).item() == pytest.approx(
        mean["yarn-finetuned"], abs=0.05
    )
    assert json.loads((tmp_path / "longer" / "extension.json").read_text())["complete"]


def test_what_loses_least_over_all_positions_is_trained() -> None:
    situation = Situation(
        frequencies=phasor.geometric(16, 500.0), scaling=None,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        trained_length=TRAINED, target_length=TARGET,
    )  # fmt: skip
    found = candidates(["yarn", "ntk"], situation)
    bins = len(edges(TARGET, TRAINED)) - 1

    def measured(kind: str, name: str, document: int, loss: float) -> Measurement:
        return Measurement(
            kind=kind, candidate=name, document=document, length=TARGET, depth=None,
            values=(loss,) * bins, seconds=1.0,
        )  # fmt: skip

    # ntk loses less on the first document, yarn over both; none of them holds anywhere.
    loss = {"none": (1.0, 1.0), "yarn": (6.0, 3.0), "ntk": (5.0, 8.0)}
    rows = [measured("cropped", "none", document, 1.0) for document in range(2)]
    rows += [measured("loss", name, at, row[at]) for name, row in loss.items() for at in range(2)]
    assert _to_train(found, rows, situation).name == "yarn"
    # Holding further is nothing where the loss over all positions is greater.
    held = [measured("cropped", "none", at, 1.0) for at in range(2)]
    held += [measured("loss", "none", at, 9.0) for at in range(2)]
    short = (1.0,) * (bins // 2) + (99.0,) * (bins - bins // 2)
    held += [replace(measured("loss", "ntk", at, 1.0), values=short) for at in range(2)]
    held += [measured("loss", "yarn", at, 2.0) for at in range(2)]
    assert _to_train(found, held, situation).name == "yarn"

"""One trial: repeatable to the bit, fair, and measured by what is known."""

from dataclasses import replace

import accelerate
import pytest
import torch
from torch import Tensor

import phasor
from phasor._compare import measures
from phasor._compare.config import TrialConfig
from phasor._compare.model import Decoder
from phasor._compare.tasks import build_task
from phasor._compare.train import _parameter_groups, run_trial
from phasor._compare.trial import Trial
from phasor._kit.text import Text
from phasor.encodings import catalogue
from phasor.encodings.spelling import parse_spelling

UNREPEATABLE = {"tokens_per_second": 0.0, "peak_memory": 0, "seconds": 0.0}


def trial(name: str, config: TrialConfig, text: Text, seed: int = 0) -> Trial:
    task = build_task(
        config.task,
        text=text,
        train_length=config.train_length,
        max_length=config.eval_lengths[-1],
    )
    return run_trial(name, seed, task, config, lambda step, loss: None)


@pytest.mark.parametrize("name", ["rotary", "learned"])
def test_same_seed_same_numbers(name: str, config: TrialConfig, text: Text) -> None:
    first, second = (replace(trial(name, config, text), **UNREPEATABLE) for _ in range(2))
    assert first == second
    assert replace(trial(name, config, text, seed=1), **UNREPEATABLE) != first


@pytest.mark.parametrize("name", catalogue.CATALOGUE)
def test_measures_every_encoding(name: str, config: TrialConfig, text: Text) -> None:
    found = trial(name, config, text)
    encoding = catalogue.CATALOGUE[name]
    sites = encoding.sites
    assert found.train_loss < found.train_loss_curve[0]
    assert set(found.loss) == {"16", "32"}
    assert found.exact_match == {}
    assert len(found.position_loss) == 32
    assert found.order_distance == [1, 2, 4, 8]
    assert all(0 <= value <= 1 for value in found.order_sensitivity)
    assert found.tokens_per_second > 0
    assert (found.embedding_gain is not None) == ("embedding" in sites)
    assert (found.query_key_gain is not None) == ("query_key" in sites)
    if "embedding" in sites:
        assert found.shift_spread > 0.01
        assert found.norm_error > 0.05
        assert found.additive_ratio == pytest.approx(1.0, rel=0.15)
    else:
        # What looks at the layer's input sees that nothing stands before the first token.
        sees_start = "hidden" in encoding.looks_at
        assert found.shift_spread < 1e-12 or sees_start or not encoding.is_relative
        assert (found.norm_error < 1e-12) == encoding.keeps_norm
        assert found.additive_ratio is None


def test_algorithmic_trial(config: TrialConfig, text: Text) -> None:
    found = trial("none", replace(config, task="count"), text)
    assert set(found.exact_match) == {"16", "32"}
    assert found.position_loss == []
    assert all(0 <= found.exact_match[n] <= found.token_accuracy[n] <= 1 for n in ("16", "32"))


def test_score_parameters_learn_faster(config: TrialConfig) -> None:
    class LearnedBias(phasor.PositionEncoding):
        sites = frozenset({"score"})
        paper = "none"

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(2))

        def prepare(self, positions: Tensor, **_: object) -> None:
            return None

        def score_mod(self, prepared: object) -> phasor.encoding.ScoreMod:
            return lambda score, batch, head, i, j: score + self.weight[head]

    model = Decoder(LearnedBias(), vocab_size=9, width=16, num_layers=1, num_heads=2)
    groups = _parameter_groups(model, config)
    assert [group["lr"] for group in groups] == [3e-3, 3e-3, 3e-2]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    for name in ("learned", "rotary"):
        encoding = parse_spelling(name).build(config.shape(32), 1)
        model = Decoder(encoding, vocab_size=9, width=16, num_layers=1, num_heads=2)
        assert {group["lr"] for group in _parameter_groups(model, config)} == {3e-3}


def test_trained_in_bfloat16_it_is_measured_in_float32(
    config: TrialConfig, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watch(self: Decoder, tokens: Tensor, *rest: object) -> Tensor:
        out = forward(self, tokens, *rest)
        seen.append((self.training, out.dtype, torch.is_autocast_enabled("cpu")))
        return out

    forward = Decoder.forward
    monkeypatch.setattr(Decoder, "forward", watch)
    monkeypatch.setattr(
        "phasor._compare.train.Accelerator",
        lambda **_: accelerate.Accelerator(cpu=True, mixed_precision="bf16"),
    )
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    try:
        trial("rotary", config, text)
    finally:
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    assert set(seen) == {(True, torch.bfloat16, True), (False, torch.float32, False)}


class Constant(torch.nn.Module):
    """Predicts the same token everywhere."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits.expand(*tokens.shape, -1)


def test_scores_are_those_of_a_model_whose_answers_are_known() -> None:
    from phasor._compare.tasks import Batch

    targets = torch.tensor([[0, 1, 1], [1, 1, 1]])
    scored = torch.tensor([[False, True, True], [True, True, False]])
    batch = Batch(torch.zeros(2, 3, dtype=torch.long), targets, scored)
    model = Constant(torch.tensor([0.0, 2.0]))
    found = measures.score(measures.predict(model, batch), batch)
    assert found.loss == pytest.approx(torch.tensor([2.0]).neg().exp().log1p().item(), rel=1e-6)
    assert (found.token_accuracy, found.exact_match) == (1.0, 1.0)
    wrong = Batch(batch.tokens, targets, torch.tensor([[True] * 3, [True] * 3]))
    found = measures.score(measures.predict(model, wrong), wrong)
    assert (found.token_accuracy, found.exact_match) == (pytest.approx(5 / 6), 0.5)

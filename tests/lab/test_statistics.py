"""Intervals against tables, and the sentences made of them."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy import stats

from phasor._compare.results import Cell, Difference
from phasor._compare.verdict import beyond, verdict
from phasor._kit.statistics import Estimate, mean_interval, paired_difference, share_interval


def test_t_interval_of_three_values() -> None:
    """t for 2 degrees of freedom and 95 % is 4.302653 in every table."""
    estimate = mean_interval([1.0, 2.0, 4.0])
    half = 4.302653 * math.sqrt(7 / 3) / math.sqrt(3)
    assert estimate.mean == pytest.approx(7 / 3)
    assert estimate.high == pytest.approx(7 / 3 + half, rel=1e-6)
    assert estimate.low == pytest.approx(7 / 3 - half, rel=1e-6)


def test_coverage_is_what_it_says_even_with_three_values() -> None:
    draws = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inside = [estimate.low < 0 < estimate.high for estimate in map(mean_interval, draws.tolist())]
    assert 0.935 < sum(inside) / len(inside) < 0.965


def test_one_value_has_no_interval() -> None:
    estimate = mean_interval([1.5])
    assert (estimate.mean, estimate.low, estimate.high) == (1.5, None, None)
    assert not estimate.excludes_zero


def test_equal_values_have_an_interval_of_no_width() -> None:
    estimate = mean_interval([2.0, 2.0, 2.0])
    assert (estimate.low, estimate.high) == (2.0, 2.0)


def test_pairing_removes_what_the_seeds_share() -> None:
    first, second = [1.0, 2.0, 3.0], [1.1, 2.11, 3.09]
    assert paired_difference(first, second).excludes_zero
    assert stats.ttest_ind(first, second).pvalue > 0.5


def test_shares_at_the_edge_keep_an_interval() -> None:
    """Wilson's bound for 256 of 256 is 256 / (256 + 1.96^2)."""
    estimate = share_interval([1.0, 1.0, 1.0], 256)
    assert estimate.mean == 1.0
    assert estimate.low == pytest.approx(256 / (256 + 1.959964**2), rel=1e-6)
    assert share_interval([0.0, 1.0], 256).low == pytest.approx(0.0)


def change(mean: float, half: float) -> Estimate:
    return Estimate(mean, mean - half, mean + half)


def cell(*seeds: float, low: float | None = None) -> Cell:
    return Cell(sum(seeds) / len(seeds), low, None, seeds)


def summary(**quantities: dict[str, Cell]) -> Any:
    return SimpleNamespace(**{"exact_match": {}, "loss": {}, **quantities})


def results(
    task: str, lengths: list[int], seeds: int, encodings: dict[str, Any], *differences: Difference
) -> Any:
    config = SimpleNamespace(
        task=task, train_length=lengths[0], eval_lengths=lengths, seeds=range(seeds)
    )
    return SimpleNamespace(
        config=config, unit="byte", encodings=encodings, differences=differences, changes={}
    )


def difference(better: str, worse: str, length: str, *, tie: bool) -> Difference:
    return Difference(
        length=length, better=better, worse=worse, mean=0.0, low=None, high=None, tie=tie
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"128": change(-0.03, 0.01), "256": change(0.02, 0.05)}, "holds to 256 (+0.02)"),
        (
            {"128": change(0.9, 0.1), "256": change(1.1, 0.2)},
            "breaks at once (+0.90 at 128, +1.10 at 256)",
        ),
        (
            {"128": change(0.04, 0.03), "256": change(1.0, 0.2), "512": change(1.1, 0.2)},
            "holds to 128 and breaks (+1.00 at 256, +1.10 at 512)",
        ),
        ({"128": change(0.1, 0.05), "256": change(0.2, 0.05)}, "drifts (+0.20 at 256)"),
        (
            {"128": change(0.05, 0.01), "256": change(0.15, 0.1)},
            "holds to 128 and drifts (+0.15 at 256)",
        ),
        ({"128": change(0.2, 0.5)}, "is undecided (+0.20 [-0.30, +0.70])"),
        ({"128": Estimate(0.5, None, None)}, "changes by +0.50 at 128"),
    ],
)
def test_words_for_what_happens_past_the_training_length(
    changes: dict[str, Estimate], expected: str
) -> None:
    assert beyond(changes) == expected


@pytest.mark.parametrize(("loss", "said"), [(5.5, False), (5.6, True)])
def test_what_did_no_better_than_a_guess_is_said(loss: float, said: bool) -> None:
    """The logarithm of 256 is 5.545: bytes drawn alike."""
    found = results(
        "lm", [64], 2,
        {name: summary(loss={"64": cell(mean)}) for name, mean in (("a", 2.0), ("b", loss))},
        difference("a", "b", "64", tie=False),
    )  # fmt: skip
    assert ("; b did no better at 64 than a guess (5.55)" in verdict(found)) == said


def test_the_verdict_on_exact_answers_shows_seeds_and_those_that_failed() -> None:
    found = results(
        "copy", [8, 9], 2,
        {
            "a": summary(exact_match={"8": cell(1.0, 1.0), "9": cell(0.2, 0.8)}),
            "b": summary(exact_match={"8": cell(1.0, 0.9), "9": cell(1.0, 1.0)}),
        },
    )  # fmt: skip
    assert verdict(found) == (
        "Sequences answered exactly: a 1.00, b 0.95 (0.90 to 1.00) at 8; b 1.00, a 0.50 (0.20 to "
        "0.80) at 9 (b had not learned the task at 8 with every seed, so longer lengths say little "
        "of it; give more steps)."
    )


def test_the_verdict_on_a_control_names_those_that_guess() -> None:
    def share(*seeds: float) -> Cell:
        return cell(*seeds, low=min(seeds) - 0.05)

    right = share(1.0, 1.0)
    encodings = {
        "a": summary(exact_match={"8": right, "16": share(0.52, 0.6)}),
        "b": summary(exact_match={"8": right, "16": share(0.7, 0.8)}),
    }
    found = results("parity", [8, 16], 2, encodings)
    assert verdict(found).endswith("; a guess is right in 0.50, and at 16 no more by a.")
    encodings["a"].exact_match["16"] = share(0.9, 0.9)
    assert verdict(found).endswith("; a guess is right in 0.50.")


def test_a_tie_is_called_a_tie() -> None:
    found = results(
        "lm", [8], 3,
        {n: summary(loss={"8": cell(loss)}) for n, loss in {"a": 2, "b": 1, "c": 2.1}.items()},
        difference("b", "a", "8", tie=False),
        difference("a", "c", "8", tie=True),
        difference("b", "c", "8", tie=False),
    )  # fmt: skip
    assert verdict(found) == "At the training length of 8: b < a = c (b at 1.000 nats per byte)."

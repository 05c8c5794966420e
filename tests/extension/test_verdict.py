"""What follows from measurements, on made-up ones."""

from dataclasses import replace
from fractions import Fraction
from math import comb

import pytest
from extension.situations import situation
from scipy import stats

from phasor.extension.evidence import edges
from phasor.extension.methods import candidates
from phasor.extension.store import Measurement
from phasor.extension.verdict import Finding, Verdict, judge

TRAINED, TARGET = 64, 256
FOUND = candidates(["linear", "yarn"], situation(trained=TRAINED, target=TARGET))
BINS = len(edges(TARGET, TRAINED)) - 1
INSIDE = 4


def loss(name: str, *excess: float, document: int = 0) -> Measurement:
    """3 nats and `excess` in each bin, the last one to the end."""
    values = [*excess, *[excess[-1]] * (BINS - len(excess))]
    return Measurement(
        kind="loss", candidate=name, document=document, length=TARGET, depth=None,
        values=tuple(3.0 + value for value in values), seconds=1.0,
    )  # fmt: skip


def cropped(document: int = 0) -> Measurement:
    return replace(loss("none", 0.0, document=document), kind="cropped")


def keys(name: str, length: int, right: int, asked: int = 3) -> list[Measurement]:
    return [
        Measurement(
            kind="passkey", candidate=name, document=at, length=length, depth=0.5,
            values=(float(at < right),), seconds=1.0,
        )
        for at in range(asked)
    ]  # fmt: skip


def verdict(*measurements: Measurement | list[Measurement]) -> Verdict:
    flat = [m for one in measurements for m in (one if isinstance(one, list) else [one])]
    return judge(flat, FOUND, trained_length=TRAINED, target_length=TARGET)


def of(found: Verdict, name: str) -> Finding:
    return next(finding for finding in found.findings if finding.name == name)


BREAKS = (0.0,) * INSIDE + (2.0,)


def test_it_holds_as_far_as_the_loss_does() -> None:
    found = verdict(
        cropped(),
        loss("none", *BREAKS),
        loss("linear", 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.2, -1.0),
        loss("yarn", 0.09),
    )
    assert [of(found, name).effective for name in ("none", "linear", "yarn")] == [64, 96, 256]
    assert found.best == "yarn"
    assert found.sentence == (
        "Take yarn: it holds to 256 tokens (loss within 0.1 nats of the model with its context cut "
        "at 64; no pass key was asked for), and costs +0.090 nats within 64 [+0.090, +0.090]; as "
        "it is, the model holds to 64."
    )
    assert of(found, "linear").excess[6] == pytest.approx(0.2)
    assert found.reference == (3.0,) * BINS


def test_pass_keys_limit_it_where_the_model_finds_them_at_all() -> None:
    losses = (cropped(), loss("none", *BREAKS), loss("yarn", 0.0), loss("linear", 0.05))
    asked = [keys("none", 32, 3), keys("none", 64, 3), keys("none", 256, 0)]
    tests = [keys("yarn", 32, 3), keys("yarn", 64, 3), keys("yarn", 160, 2), keys("yarn", 256, 1)]
    found = verdict(*losses, *asked, *tests)
    assert of(found, "yarn").effective == 160
    assert of(found, "yarn").passkeys == {32: (3, 3), 64: (3, 3), 160: (2, 3), 256: (1, 3)}
    # Linear was asked for none, so its 256 are not shown to hold.
    assert of(found, "linear").effective == 256
    assert found.best == "yarn"
    assert "160 tokens, short of 256" in found.sentence
    assert "1 of 3 pass keys found at 256" in found.sentence


@pytest.mark.parametrize("asked", [1, 3, 6, 12, 30])
def test_a_length_is_given_up_where_so_few_keys_are_unlikely(asked: int) -> None:
    losses = (cropped(), loss("none", *BREAKS), loss("yarn", 0.0), keys("none", 64, 3))
    for right in range(asked + 1):
        found = verdict(*losses, keys("yarn", 64, 3), keys("yarn", 256, right, asked))
        chance = sum(
            comb(asked, k) * Fraction(85, 100) ** k * Fraction(15, 100) ** (asked - k)
            for k in range(right + 1)
        )
        assert of(found, "yarn").effective == (256 if chance >= Fraction(1, 10) else 64)


def test_pass_keys_do_not_count_where_the_model_finds_none_within_its_training() -> None:
    losses = (cropped(), loss("none", *BREAKS), loss("yarn", 0.0))
    found = verdict(*losses, keys("none", 64, 1), keys("yarn", 64, 0), keys("yarn", 256, 0))
    assert of(found, "yarn").effective == 256
    assert "pass keys do not count" in found.sentence


def test_the_cost_is_paired_with_its_interval() -> None:
    noise = (0.0, 0.5, -0.3, 0.1)
    found = verdict(
        cropped(), cropped(1),
        loss("none", *noise, 0.0), loss("none", *noise, 0.0, document=1),
        loss("yarn", *[n + e for n, e in zip(noise, (0.01, 0.02, 0.03, 0.04), strict=True)], 9.0),
        loss("yarn", *[n + e for n, e in zip(noise, (0.05, 0.06, 0.07, 0.08), strict=True)], 9.0,
             document=1),
    )  # fmt: skip
    differences = [at / 100 for at in range(1, 9)]
    cost = of(found, "yarn").regression
    assert cost is not None
    assert cost.mean == pytest.approx(0.045)
    half = stats.t.ppf(0.975, 7) * stats.sem(differences)
    assert (cost.low, cost.high) == (pytest.approx(0.045 - half), pytest.approx(0.045 + half))
    assert of(found, "none").regression is None
    assert of(found, "yarn").documents == 2


def test_documents_without_a_reference_or_a_partner_do_not_count() -> None:
    found = verdict(cropped(), loss("none", 0.0), loss("yarn", 0.02), loss("yarn", 5.0, document=1))
    cost = of(found, "yarn").regression
    assert cost is not None
    assert cost.mean == pytest.approx(0.02)
    assert of(found, "yarn").excess == pytest.approx((0.02,) * BINS)


def test_the_model_as_it_is_may_be_best() -> None:
    found = verdict(cropped(), loss("none", 0.0), loss("yarn", 0.0), loss("linear", 0.3))
    assert found.best is None
    assert found.sentence.startswith("Leave the model as it is: it holds to 256 tokens")


def test_none_may_be_better_than_the_model() -> None:
    found = verdict(cropped(), loss("none", *BREAKS), loss("yarn", *BREAKS), loss("linear", 0.3))
    assert found.best is None
    assert found.sentence.startswith("None of these holds further than the model as it is, to 64")
    assert of(found, "linear").effective == 0


@pytest.mark.parametrize(("linear", "yarn", "best"), [
    (0.02, 0.05, "linear"), (0.05, 0.02, "yarn"), (0.02, 0.02, "linear"),
])  # fmt: skip
def test_of_those_that_hold_as_far_the_one_that_costs_less(
    linear: float, yarn: float, best: str
) -> None:
    found = verdict(cropped(), loss("none", *BREAKS), loss("linear", linear), loss("yarn", yarn))
    assert found.best == best


@pytest.mark.parametrize(("tried", "end"), [
    ((), "to 64 tokens; --search or --finetune may."),
    (("--search",), "to 64 tokens; --finetune may."),
    (("--finetune",), "to 64 tokens; --search may."),
    (("--search", "--finetune"), "to 64 tokens, searched and trained."),
])  # fmt: skip
def test_only_what_was_not_tried_is_advised(tried: tuple[str, ...], end: str) -> None:
    measured = [cropped(), loss("none", *BREAKS), loss("yarn", *BREAKS), loss("linear", *BREAKS)]
    found = judge(measured, FOUND, trained_length=TRAINED, target_length=TARGET, tried=tried)
    assert found.sentence.endswith(end)


def test_nothing_measured_is_nothing_recommended() -> None:
    found = verdict()
    assert found.best is None
    assert found.sentence.startswith("Nothing was read to the target")
    assert all(finding.effective is None for finding in found.findings)
    # A reference alone, or losses alone, say nothing either.
    assert verdict(cropped()).best is None
    assert verdict(loss("yarn", 0.0)).best is None

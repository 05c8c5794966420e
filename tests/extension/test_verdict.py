"""What follows from measurements, on made-up ones."""

import random
from dataclasses import replace
from fractions import Fraction
from math import comb

import pytest
from extension.redraws import changes
from extension.situations import situation
from scipy import stats

from phasor._extend.evidence import edges
from phasor._extend.methods import candidates
from phasor._extend.store import Measurement
from phasor._extend.verdict import Finding, Verdict, judge

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


def alike(*measurements: Measurement, documents: int = 4) -> list[Measurement]:
    """The same of every document: intervals without width."""
    return [replace(m, document=at) for m in measurements for at in range(documents)]


def of(found: Verdict, name: str) -> Finding:
    return next(finding for finding in found.findings if finding.name == name)


BREAKS = (0.0,) * INSIDE + (2.0,)


def test_it_holds_as_far_as_the_loss_does() -> None:
    found = verdict(alike(
        cropped(),
        loss("none", *BREAKS),
        loss("linear", 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.2, 1.0),
        loss("yarn", 0.09),
    ))  # fmt: skip
    for name, holds in (("none", 64), ("linear", 96), ("yarn", 256)):
        assert of(found, name).effective == of(found, name).at_most == holds
    assert found.best == "yarn"
    assert found.sentence == (
        "Take yarn: it loses least, +0.090 [+0.090, +0.090] nats above the model with its context "
        "cut at 64 over all positions to 256, +0.090 [+0.090, +0.090] at the end; no pass key was "
        "asked for."
    )
    assert of(found, "linear").excess[6] == pytest.approx(0.2)
    assert found.reference == (3.0,) * BINS


def test_pass_keys_limit_it_where_the_model_finds_them_at_all() -> None:
    losses = alike(cropped(), loss("none", *BREAKS), loss("yarn", 0.0), loss("linear", 0.05))
    asked = [keys("none", 32, 3), keys("none", 64, 3), keys("none", 256, 0)]
    tests = [keys("yarn", 32, 3), keys("yarn", 64, 3), keys("yarn", 160, 2), keys("yarn", 256, 1)]
    found = verdict(losses, *asked, *tests)
    assert of(found, "yarn").effective == 160
    assert of(found, "yarn").passkeys == {32: (3, 3), 64: (3, 3), 160: (2, 3), 256: (1, 3)}
    assert of(found, "linear").effective == 256
    assert found.best == "yarn"
    assert found.sentence.endswith(
        "; 1 of 3 pass keys found at 256; it is shown not to hold past 160."
    )


@pytest.mark.parametrize("asked", [1, 3, 6, 12, 30])
def test_a_length_is_given_up_where_so_few_keys_are_unlikely(asked: int) -> None:
    losses = alike(cropped(), loss("none", *BREAKS), loss("yarn", 0.0))
    losses += keys("none", 64, 3)
    for right in range(asked + 1):
        found = verdict(losses, keys("yarn", 64, 3), keys("yarn", 256, right, asked))
        chance = sum(
            comb(asked, k) * Fraction(85, 100) ** k * Fraction(15, 100) ** (asked - k)
            for k in range(right + 1)
        )
        assert of(found, "yarn").effective == (256 if chance >= Fraction(1, 10) else 64)


def test_pass_keys_do_not_count_where_the_model_finds_none_within_its_training() -> None:
    losses = alike(cropped(), loss("none", *BREAKS), loss("yarn", 0.0))
    found = verdict(losses, keys("none", 64, 1), keys("yarn", 64, 0), keys("yarn", 256, 0))
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
    # Bins of a document are not independent: an interval over them would be too narrow.
    differences = [0.025, 0.065]
    cost = of(found, "yarn").regression
    assert cost is not None
    assert cost.mean == pytest.approx(0.045)
    half = stats.t.ppf(0.975, 1) * stats.sem(differences)
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
    found = verdict(alike(cropped(), loss("none", 0.0), loss("yarn", 0.0), loss("linear", 0.3)))
    assert found.best is None
    assert found.sentence.startswith("Leave the model as it is: it holds to 256 tokens")


def test_what_is_worse_than_cutting_the_context_is_not_taken() -> None:
    found = verdict(alike(cropped(), loss("none", *BREAKS), loss("yarn", 0.3), loss("linear", 1.0)))
    assert (found.best, found.written, found.tied) == (None, None, ("yarn",))
    assert found.sentence == (
        "Take none of these: yarn loses least, but over all positions to 256 +0.300 [+0.300, "
        "+0.300] nats more than the model with its context cut at 64. Cut it, or try "
        "search=True or finetune=."
    )


@pytest.mark.parametrize(("linear", "yarn", "best"), [
    (0.02, 0.05, "linear"), (0.05, 0.02, "yarn"), (0.02, 0.02, None),
])  # fmt: skip
def test_what_loses_least_is_taken_and_of_equals_none(
    linear: float, yarn: float, best: str | None
) -> None:
    measured = alike(cropped(), loss("none", *BREAKS), loss("linear", linear), loss("yarn", yarn))
    found = verdict(measured)
    assert found.best == best
    if best is None:
        assert (found.written, found.tied) == ("linear", ("linear", "yarn"))
        assert found.sentence.startswith(
            "Cannot tell linear and yarn apart from 4 documents: more may tell; linear is the "
            "simplest, +0.020"
        )


def test_what_happens_at_the_target_counts() -> None:
    """Yarn holds further and is lost at the end; linear is a little worse all along."""
    measured = alike(
        cropped(), loss("none", *BREAKS),
        loss("yarn", *[0.0] * 8, 0.7), loss("linear", *[0.0] * INSIDE, 0.1),
    )  # fmt: skip
    found = verdict(measured)
    assert of(found, "yarn").overall.mean == pytest.approx(0.35)  # type: ignore[union-attr]
    assert of(found, "yarn").at_target.mean == pytest.approx(0.7)  # type: ignore[union-attr]
    assert found.best == "linear"
    assert [finding.name for finding in found.ranked] == ["linear", "yarn", "none"]


def test_one_document_tells_nothing() -> None:
    found = verdict(cropped(), loss("none", *BREAKS), loss("yarn", 0.0), loss("linear", 1.0))
    assert (found.best, found.written) == (None, None)
    assert found.sentence.startswith("Cannot tell from 1 document whether any of these loses less")
    assert (of(found, "yarn").effective, of(found, "yarn").at_most) == (0, TARGET)


def test_intervals_are_paired_over_documents() -> None:
    """By hand, from scipy: documents differ by far more than methods do."""
    level, gain = (0.0, 2.0, 5.0, 9.0), (0.30, 0.36, 0.27, 0.31)
    measured = [
        replace(m, document=at, values=tuple(v + level[at] for v in m.values))
        for at in range(4)
        for m in (
            cropped(), loss("none", *[0.0] * INSIDE, gain[at]), loss("yarn", 0.01 * at),
            loss("linear", 4.0),
        )
    ]  # fmt: skip
    found = verdict(measured)
    overall = of(found, "yarn").overall
    low, high = stats.t.interval(0.95, 3, loc=0.015, scale=stats.sem([0.0, 0.01, 0.02, 0.03]))
    assert overall is not None
    assert (overall.low, overall.high) == (pytest.approx(low), pytest.approx(high))
    assert found.best == "yarn"


def drawn(seed: int) -> list[Measurement]:
    """32 documents: yarn is 0.1 worse than cutting the context from early on, in some documents a
    little more; linear is as good until the last third and then 0.6 to 0.8 worse."""
    chance = random.Random(seed)
    result = []
    for at in range(32):
        noise = [chance.gauss(0, 0.05) for _ in range(3)]
        rows = {
            "none": [0.0] * INSIDE + [1.5 + noise[0]] * (BINS - INSIDE),
            "linear": [chance.gauss(0, 0.05) for _ in range(10)]
            + [chance.uniform(0.6, 0.8)] * (BINS - 10),
            "yarn": [0.0] * 2 + [0.1 + noise[1] + chance.gauss(0, 0.05) for _ in range(BINS - 2)],
        }
        result.append(cropped(at))
        result += [loss(name, *row, document=at) for name, row in rows.items()]
    return result


@pytest.mark.parametrize("seed", range(3))
def test_few_documents_do_not_recommend_another_method(seed: int) -> None:
    measured = drawn(seed)
    whole = judge(measured, FOUND, trained_length=TRAINED, target_length=TARGET)
    assert whole.best == "yarn"
    assert changes(measured, FOUND, documents=4, redraws=200) < 0.1
    # And it is no test that is passed by never recommending anything.
    chance, taken = random.Random(1), 0
    for _ in range(100):
        few = chance.sample(range(32), 4)
        few_measured = [m for m in measured if m.document in few]
        taken += verdict(few_measured).best == "yarn"
    assert taken > 90


@pytest.mark.parametrize(("tried", "end"), [
    ((), "as it is; search=True or finetune= may."),
    (("search",), "as it is; finetune= may."),
    (("finetune",), "as it is; search=True may."),
    (("search", "finetune"), "as it is, searched and trained."),
])  # fmt: skip
def test_only_what_was_not_tried_is_advised(tried: tuple[str, ...], end: str) -> None:
    measured = alike(cropped(), loss("none", 0.3), loss("yarn", 0.4), loss("linear", 0.5))
    found = judge(measured, FOUND, trained_length=TRAINED, target_length=TARGET, tried=tried)
    assert found.sentence == f"None of these loses less than the model {end}"
    level = alike(cropped(), loss("none", *BREAKS), loss("yarn", *BREAKS), loss("linear", *BREAKS))
    found = judge(level, FOUND, trained_length=TRAINED, target_length=TARGET, tried=tried)
    assert found.sentence.startswith("Cannot tell from 4 documents whether any of these")
    assert [word in found.sentence for word in ("search=", "finetune=")] == [
        word not in tried for word in ("search", "finetune")
    ]


def test_nothing_measured_is_nothing_recommended() -> None:
    found = verdict()
    assert found.best is None
    assert found.sentence.startswith("Nothing was read to the target")
    assert all(finding.effective is None for finding in found.findings)
    # A reference alone, or losses alone, say nothing either.
    assert verdict(cropped()).best is None
    assert verdict(loss("yarn", 0.0)).best is None

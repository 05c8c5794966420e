"""What the measurements say of each candidate by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy.stats import binom

from phasor._extend.store import Measurement, passkeys_found
from phasor._kit.statistics import Estimate, mean_interval

LOSS_TOLERANCE = 0.1
"""A candidate holds where its loss is at most this much above the reference, nats per token."""
PASSKEY_SHARE = 0.85
"""It holds at a length unless it finds too few pass keys for one that finds this share of them.

They count if the model as it is holds so at each length within its trained one.
"""
PASSKEY_CHANCE = 0.1
"""Too few: as few or fewer would come less often than this. Of three keys that is one."""

Rows = Mapping[int, tuple[float, ...]]
"""Loss by bin, of each document."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one candidate. Intervals are over documents, each with the reference.

    Args:
        name: Of the candidate.
        loss: Mean loss by bin of positions, over the documents read to the target; empty where no
            document was. A model that ends has the bins within its trained length alone.
        excess: By bin, how much that lies above the reference: the model as it is, with no more
            context than it was trained for.
        excess_interval: By bin, the 95 % t interval of that; empty where one document was read.
        documents: How many were read to the target.
        passkeys: By length, how many keys were found, of how many.
        overall: Excess over all positions to the target, nats per token; `None` where the target
            was not reached.
        at_target: Excess in the last bin.
        effective: Tokens up to which it is shown to hold: in every bin the upper bound of the
            excess is within the tolerance, and pass keys are found. `None` where nothing was
            compared.
        at_most: Tokens past which it is shown not to hold: the lower bound is above the tolerance,
            or too few pass keys were found. Between the two the documents do not tell.
        regression: Loss within the trained length, less that of the model as it is, nats per token.
    """

    name: str
    loss: tuple[float, ...]
    excess: tuple[float, ...]
    excess_interval: tuple[tuple[float, float], ...]
    documents: int
    passkeys: dict[int, tuple[int, int]]
    overall: Estimate | None
    at_target: Estimate | None
    effective: int | None
    at_most: int | None
    regression: Estimate | None


def find(
    name: str,
    measurements: Sequence[Measurement],
    reference: Rows,
    bounds: Sequence[int],
    *,
    trained_length: int,
    counted: bool,
) -> Finding:
    """What `measurements` say of the candidate called `name`.

    Args:
        name: Of the candidate.
        measurements: Of all candidates.
        reference: Of the model as it is, with no more context than it was trained for.
        bounds: Of the bins, in tokens; the last is the target.
        trained_length: Tokens.
        counted: Whether pass keys count.
    """
    own = losses(name, measurements, bounds[-1])
    above = differences(own, reference)
    by_bin = [mean_interval(column) for column in zip(*above.values(), strict=True)]
    reached = len(by_bin) == len(bounds) - 1
    inside = sum(end <= trained_length for end in bounds[1:])
    within = [
        mean_over_positions(row[:inside], bounds)
        for row in differences(own, losses("none", measurements, bounds[-1])).values()
    ]
    passkeys = passkeys_found(name, measurements)
    effective, at_most = _held(by_bin, passkeys if counted else {}, bounds)
    return Finding(
        name=name,
        loss=mean_by_bin(list(own.values())),
        excess=tuple(one.mean for one in by_bin),
        excess_interval=tuple(
            (one.low, one.high) for one in by_bin if one.low is not None and one.high is not None
        ),
        documents=len(own),
        passkeys=passkeys,
        overall=mean_interval([mean_over_positions(row, bounds) for row in above.values()])
        if reached
        else None,
        at_target=by_bin[-1] if reached else None,
        effective=effective,
        at_most=at_most,
        regression=mean_interval(within) if within and name != "none" else None,
    )


def losses(name: str, measurements: Sequence[Measurement], target_length: int) -> Rows:
    """Of the candidate called `name`, on the documents that it read to the target."""
    return {
        m.document: m.values
        for m in measurements
        if (m.kind, m.candidate, m.length) == ("loss", name, target_length)
    }


def differences(first: Rows, second: Rows) -> Rows:
    """`first` less `second`, of the documents and bins that both have."""
    return {
        document: tuple(a - b for a, b in zip(row, second[document], strict=False))
        for document, row in first.items()
        if document in second
    }


def mean_over_positions(row: Sequence[float], bounds: Sequence[int]) -> float:
    """Mean of `row`, a value for each of the first bins; wide bins count for more."""
    widths = [end - start for start, end in pairwise(bounds)][: len(row)]
    return sum(width * value for width, value in zip(widths, row, strict=True)) / sum(widths)


def mean_by_bin(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Over documents."""
    return tuple(sum(column) / len(column) for column in zip(*rows, strict=True))


def passkeys_count(measurements: Sequence[Measurement], trained_length: int) -> bool:
    """Whether the model as it is finds them within its trained length: else they say nothing."""
    within = {
        length: cell
        for length, cell in passkeys_found("none", measurements).items()
        if length <= trained_length
    }
    return bool(within) and all(_finds(right, asked) for right, asked in within.values())


def _finds(right: int, asked: int) -> bool:
    """Whether `right` keys of `asked` are not too few: one miss in three says next to nothing."""
    return float(binom.cdf(right, asked, PASSKEY_SHARE)) >= PASSKEY_CHANCE


def _held(
    excess: Sequence[Estimate], passkeys: dict[int, tuple[int, int]], bounds: Sequence[int]
) -> tuple[int | None, int | None]:
    """Tokens up to which it is shown to hold, and past which it is shown not to."""
    if not excess:
        return None, None
    effective = at_most = bounds[0]
    held = True
    for end, one in zip(bounds[1:], excess, strict=False):
        if one.low is not None and one.low > LOSS_TOLERANCE:
            break
        held = held and one.high is not None and one.high <= LOSS_TOLERANCE
        effective = end if held else effective
        at_most = end
    last = 0
    for length, (right, asked) in sorted(passkeys.items()):
        if not _finds(right, asked):
            return min(effective, last), min(at_most, last)
        last = length
    return effective, at_most

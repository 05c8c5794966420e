"""What the measurements say: how far each candidate holds, what it costs, which one to take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy.stats import binom

from phasor.extension.evidence import edges
from phasor.extension.store import Measurement, passkeys_found
from phasor.extension.subject import Candidate
from phasor.lab.statistics import Estimate, mean_interval

LOSS_TOLERANCE = 0.1
"""A candidate holds where its loss is at most this much above the reference, nats per token."""
PASSKEY_SHARE = 0.85
"""It holds at a length unless it finds too few pass keys for one that finds this share of them.

They count if the model as it is holds so at each length within its trained one.
"""
PASSKEY_CHANCE = 0.1
"""Too few: as few or fewer would come less often than this. Of three keys that is one."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one candidate.

    Args:
        name: Of the candidate.
        loss: Mean loss by bin of positions, over the documents read to the target; empty where no
            document was. A model that ends has the bins within its trained length alone.
        excess: By bin, how much that lies above the reference: the model as it is, with no more
            context than it was trained for.
        documents: How many were read to the target.
        passkeys: By length, how many keys were found, of how many.
        effective: Tokens up to which loss and pass keys both hold; `None` where it was not read to
            the target.
        regression: Loss within the trained length, less that of the model as it is: mean over bins
            and documents with its interval, nats per token.
    """

    name: str
    loss: tuple[float, ...]
    excess: tuple[float, ...]
    documents: int
    passkeys: dict[int, tuple[int, int]]
    effective: int | None
    regression: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All findings, and what follows.

    Args:
        edges: Of the bins.
        reference: Loss of the reference by bin; empty before it is measured.
        findings: In the order of the candidates.
        best: The name of the candidate to take; `None` if none holds further than the model as it
            is.
        sentence: The recommendation with its numbers.
        written: The name of the candidate to write: `best`, or one that is a start for training
            where the model as it is cannot read further at all.
    """

    edges: tuple[int, ...]
    reference: tuple[float, ...]
    findings: tuple[Finding, ...]
    best: str | None
    sentence: str
    written: str | None = None


def judge(
    measurements: Sequence[Measurement],
    found: Sequence[Candidate],
    *,
    trained_length: int,
    target_length: int,
    ends: bool = False,
    tried: Sequence[str] = (),
) -> Verdict:
    """Weigh what was measured.

    Args:
        measurements: Of all candidates.
        found: The candidates.
        trained_length: Tokens.
        target_length: Tokens.
        ends: Whether the model as it is cannot read past its trained length at all.
        tried: Of `"--search"` and `"--finetune"`, those that were.
    """
    bounds = tuple(edges(target_length, trained_length))
    reference = {m.document: m.values for m in measurements if m.kind == "cropped"}
    if ends:
        # Within its trained length the reference reads one window: it is the model as it is.
        inside = sum(end <= trained_length for end in bounds[1:])
        measurements = [
            *measurements,
            *(
                replace(m, kind="loss", values=m.values[:inside])
                for m in measurements
                if m.kind == "cropped"
            ),
        ]
    counted = _passkeys_count(measurements, trained_length)
    findings = tuple(
        _finding(
            candidate.name, measurements, reference, bounds, trained_length, target_length, counted
        )
        for candidate in found
    )
    best = _best(findings, counted)
    start = _start(findings) if ends and best is None else None
    written = best or start
    return Verdict(
        edges=bounds,
        reference=_mean(list(reference.values())),
        findings=findings,
        best=None if best is None else best.name,
        sentence=_no_more(findings, start, trained_length, target_length)
        if start is not None
        else _sentence(findings, best, trained_length, target_length, counted, ends, tried),
        written=None if written is None else written.name,
    )


def _finding(
    name: str,
    measurements: Sequence[Measurement],
    reference: dict[int, tuple[float, ...]],
    bounds: tuple[int, ...],
    trained_length: int,
    target_length: int,
    counted: bool,
) -> Finding:
    losses = {
        candidate: {
            m.document: m.values
            for m in measurements
            if (m.kind, m.candidate, m.length) == ("loss", candidate, target_length)
        }
        for candidate in {name, "none"}
    }
    own = losses[name]
    compared = [document for document in own if document in reference]
    excess = _mean(
        [
            # One that ends has no bins past its end.
            tuple(a - b for a, b in zip(own[document], reference[document], strict=False))
            for document in compared
        ]
    )
    inside = [at for at, end in enumerate(bounds[1:]) if end <= trained_length]
    paired = [
        own[document][at] - losses["none"][document][at]
        for document in own
        if document in losses["none"]
        for at in inside
    ]
    passkeys = passkeys_found(name, measurements)
    return Finding(
        name=name,
        loss=_mean(list(own.values())),
        excess=excess,
        documents=len(own),
        passkeys=passkeys,
        effective=_effective(excess, passkeys if counted else {}, bounds),
        regression=mean_interval(paired) if paired and name != "none" else None,
    )


def _passkeys_count(measurements: Sequence[Measurement], trained_length: int) -> bool:
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


def _effective(
    excess: tuple[float, ...], passkeys: dict[int, tuple[int, int]], bounds: tuple[int, ...]
) -> int | None:
    if not excess:
        return None
    held = bounds[0]
    for end, value in zip(bounds[1:], excess, strict=False):
        if value > LOSS_TOLERANCE:
            break
        held = end
    last = 0
    for length, (right, asked) in sorted(passkeys.items()):
        if not _finds(right, asked):
            return min(held, last)
        last = length
    return held


def _best(findings: Sequence[Finding], counted: bool) -> Finding | None:
    def order(finding: Finding) -> tuple[float, float]:
        cost = 0.0 if finding.regression is None else finding.regression.mean
        return -(finding.effective or 0), cost

    # Where pass keys count, one that was not asked for any has not shown that it holds.
    pool = [f for f in findings if f.passkeys or not counted]
    ranked = sorted((f for f in pool if f.effective is not None), key=order)
    none = next(finding for finding in findings if finding.name == "none")
    if not ranked or (ranked[0].effective or 0) <= (none.effective or 0):
        return None
    return ranked[0]


def _sentence(
    findings: Sequence[Finding],
    best: Finding | None,
    trained_length: int,
    target_length: int,
    counted: bool,
    ends: bool,
    tried: Sequence[str],
) -> str:
    none = next(finding for finding in findings if finding.name == "none")
    if best is None:
        if none.effective is None:
            return "Nothing was read to the target, so nothing is recommended; give more --budget."
        if none.effective >= target_length:
            return (
                f"Leave the model as it is: it holds to {target_length:,} tokens without any "
                "scaling."
            )
        words = f"None of these holds further than the model as it is, to {none.effective:,} tokens"
        left = [option for option in ("--search", "--finetune") if option not in tried]
        if not left:
            return f"{words}, searched and trained."
        return f"{words}; {' or '.join(left)} may."
    keys = _keys(best, counted)
    cost = (
        "" if best.regression is None else f", and costs {_cost(best.regression, trained_length)}"
    )
    before = "" if none.effective is None else f"; as it is, the model holds to {none.effective:,}"
    if ends:
        before = f"; as it is, the model ends at {trained_length:,}"
    short = "" if (best.effective or 0) >= target_length else f", short of {target_length:,}"
    return (
        f"Take {best.name}: it holds to {best.effective:,} tokens{short} (loss within "
        f"{LOSS_TOLERANCE} nats of the model with its context cut at {trained_length:,}{keys})"
        f"{cost}{before}."
    )


def _no_more(findings: Sequence[Finding], start: Finding, trained: int, target: int) -> str:
    """Of a model that ends, where nothing holds further."""
    beyond = start.excess[sum(len(f.excess) for f in findings if f.name == "none") :]
    cost = "" if start.regression is None else f" costs {_cost(start.regression, trained)} and"
    return (
        f"Nothing holds past {trained:,} tokens, where the model as it is ends: {start.name} reads "
        f"to {target:,} but{cost} lies {sum(beyond) / len(beyond):+.3f} nats above the model with "
        "its context cut beyond that. It is a start for training, and no model to use as it is."
    )


def _start(findings: Sequence[Finding]) -> Finding | None:
    """The one that costs least within the trained length, of those that were read to the target."""
    costs = {f.name: f.regression.mean for f in findings if f.excess and f.regression is not None}
    return min((f for f in findings if f.name in costs), key=lambda f: costs[f.name], default=None)


def _cost(regression: Estimate, trained_length: int) -> str:
    words = f"{regression.mean:+.3f} nats within {trained_length:,}"
    if regression.low is not None and regression.high is not None:
        words += f" [{regression.low:+.3f}, {regression.high:+.3f}]"
    return words


def _keys(finding: Finding, counted: bool) -> str:
    if not finding.passkeys:
        return "; no pass key was asked for"
    longest = max(finding.passkeys)
    right, asked = finding.passkeys[longest]
    if not counted:
        return "; pass keys do not count: within its trained length the model does not find them"
    return f"; {right} of {asked} pass keys found at {longest:,}"


def _mean(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(column) / len(column) for column in zip(*rows, strict=True))

"""What the measurements say of all candidates: which one loses least, and which cannot be told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from phasor._extend.advice import Standing, advise
from phasor._extend.evidence import edges
from phasor._extend.findings import (
    Finding,
    differences,
    find,
    losses,
    mean_by_bin,
    mean_over_positions,
    passkeys_count,
)
from phasor._extend.store import Measurement
from phasor._extend.subject import Candidate
from phasor._kit.statistics import mean_interval


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All findings, and what follows.

    Args:
        edges: Of the bins.
        reference: Loss of the reference by bin; empty before it is measured.
        findings: In the order of the candidates.
        best: The name of the candidate to take: its loss over all positions to the target is shown
            to be less than that of every other and of the model as it is, and not shown to be worse
            than cutting the context. `None` if there is none such.
        sentence: The recommendation with its numbers.
        written: The name of the candidate to write: `best`, the simplest of those that cannot be
            told apart but are shown to be better than the model as it is, or a start for training
            where that cannot read further at all.
        tied: Names of the candidate with the least loss and of those that cannot be told from it,
            in the order of the candidates; empty where nothing was compared.
    """

    edges: tuple[int, ...]
    reference: tuple[float, ...]
    findings: tuple[Finding, ...]
    best: str | None
    sentence: str
    written: str | None = None
    tied: tuple[str, ...] = ()

    @property
    def ranked(self) -> tuple[Finding, ...]:
        """The findings by their loss over all positions to the target, the least first."""
        return tuple(
            sorted(self.findings, key=lambda f: f.overall.mean if f.overall else float("inf"))
        )


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

    Two candidates are compared by the difference of their losses over all positions to the target,
    document by document: one loses less if the 95 % t interval of that over documents excludes
    zero.

    Args:
        measurements: Of all candidates.
        found: The candidates, simple ones first.
        trained_length: Tokens.
        target_length: Tokens.
        ends: Whether the model as it is cannot read past its trained length at all.
        tried: Of `"search"` and `"finetune"`, those that were.
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
    counted = passkeys_count(measurements, trained_length)
    findings = tuple(
        find(
            candidate.name, measurements, reference, bounds,
            trained_length=trained_length, counted=counted,
        )
        for candidate in found
    )  # fmt: skip
    reached = [finding for finding in findings if finding.overall is not None]
    leader = min(reached, key=lambda f: f.overall.mean, default=None)  # type: ignore[union-attr]
    behind = {}
    if leader is not None:
        least = losses(leader.name, measurements, target_length)
        for finding in reached:
            pairs = differences(losses(finding.name, measurements, target_length), least)
            behind[finding.name] = mean_interval(
                [mean_over_positions(row, bounds) for row in pairs.values()] or [0.0]
            )
    standing = Standing(
        findings=findings, leader=leader, behind=behind, trained_length=trained_length,
        target_length=target_length, counted=counted, ends=ends, tried=tried,
    )  # fmt: skip
    advice = advise(standing)
    return Verdict(
        edges=bounds,
        reference=mean_by_bin(list(reference.values())),
        findings=findings,
        best=advice.best,
        sentence=advice.sentence,
        written=advice.written,
        tied=tuple(finding.name for finding in standing.tied),
    )

"""What to do, in one sentence: nothing that the intervals do not carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phasor._extend.findings import LOSS_TOLERANCE, Finding
from phasor._kit.statistics import Estimate


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How the candidates stand to each other.

    Args:
        findings: Of all, in the order of the candidates: simple ones first.
        leader: The one with the least loss over all positions to the target; `None` if none was
            read to it.
        behind: By name, how much more each loses than that, paired over documents.
        trained_length: Tokens.
        target_length: Tokens.
        counted: Whether pass keys count.
        ends: Whether the model as it is cannot read past its trained length at all.
        tried: Of `"search"` and `"finetune"`, those that were.
    """

    findings: Sequence[Finding]
    leader: Finding | None
    behind: Mapping[str, Estimate]
    trained_length: int
    target_length: int
    counted: bool
    ends: bool
    tried: Sequence[str]

    @property
    def tied(self) -> list[Finding]:
        """The leader and those that cannot be told from it."""
        return [f for f in self.findings if f.name in self.behind and not self._worse(f)]

    def _worse(self, finding: Finding) -> bool:
        low = self.behind[finding.name].low
        return low is not None and low > 0


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The candidate to take and the one to write, if any, and why."""

    best: str | None = None
    written: str | None = None
    sentence: str


def advise(standing: Standing) -> Advice:
    """What follows from `standing`.

    Nothing is taken that is not shown to lose less than every other and than the model as it is,
    or that is shown to lose more than the tolerance above the context cut.
    """
    leader, target = standing.leader, standing.target_length
    if leader is None or leader.overall is None:
        return Advice(
            sentence="Nothing was read to the target, so nothing is recommended; give more budget."
        )
    tied = standing.tied
    none = next((one for one in tied if one.name == "none"), None)
    if none is not None and (none.effective or 0) >= target:
        return Advice(
            sentence=f"Leave the model as it is: it holds to {target:,} tokens without any scaling."
        )
    if none is not None:
        return Advice(sentence=_no_better(standing, leader, alone=len(tied) == 1))
    if leader.overall.low is not None and leader.overall.low > LOSS_TOLERANCE:
        start = leader.name if standing.ends else None
        return Advice(written=start, sentence=_worse_than_cut(standing, leader))
    chosen = min(tied, key=lambda one: _doubts(standing, one))
    if leader.overall.low is None:
        what = (
            f"Cannot tell from 1 document how {chosen.name} reads: more documents may tell; so far"
        )
        return Advice(written=chosen.name, sentence=f"{what} {_numbers(standing, chosen)}")
    if len(tied) > 1:
        # A simpler one that is passed over is shown to break, or was asked for no pass keys.
        rest = "" if chosen is tied[0] else " of those with least against them"
        what = (
            f"Cannot tell {_list(tied)} apart from {leader.documents} documents: more may tell; "
            f"{chosen.name} is the simplest{rest},"
        )
        return Advice(written=chosen.name, sentence=f"{what} {_numbers(standing, chosen)}")
    what = f"Take {leader.name}: it loses least,"
    return Advice(
        best=leader.name, written=leader.name, sentence=f"{what} {_numbers(standing, leader)}"
    )


def _doubts(standing: Standing, finding: Finding) -> tuple[bool, bool]:
    """What speaks against it among those that cannot be told apart; the first of equals is it."""
    short = finding.at_most is not None and finding.at_most < standing.target_length
    return short, standing.counted and not finding.passkeys


def _no_better(standing: Standing, leader: Finding, *, alone: bool) -> str:
    options = _untried(standing)
    if alone:
        rest = f"; {options} may" if options else ", searched and trained"
        return f"None of these loses less than the model as it is{rest}."
    documents = "1 document" if leader.documents == 1 else f"{leader.documents} documents"
    ahead = ""
    if leader.name != "none":
        lead = standing.behind["none"]
        ahead = f" ({leader.name}, the first, is ahead by {_interval(lead, sign=False)} nats)"
    better = f", and {options} may do better" if options else ""
    return (
        f"Cannot tell from {documents} whether any of these loses less than the model as it "
        f"is{ahead}: more documents may tell{better}."
    )


def _worse_than_cut(standing: Standing, leader: Finding) -> str:
    trained, target = standing.trained_length, standing.target_length
    assert leader.overall is not None
    if standing.ends:
        assert leader.regression is not None
        return (
            f"Nothing holds past {trained:,} tokens, where the model as it is ends: {leader.name} "
            f"reads to {target:,} but costs {_interval(leader.regression)} nats within {trained:,} "
            f"and lies {_interval(leader.overall)} above the model with its context cut over all "
            "positions. It is a start for training, and no model to use as it is."
        )
    options = _untried(standing)
    rest = f", or try {options}" if options else ""
    return (
        f"Take none of these: {leader.name} loses least, but over all positions to {target:,} "
        f"{_interval(leader.overall)} nats more than the model with its context cut at "
        f"{trained:,}. Cut it{rest}."
    )


def _untried(standing: Standing) -> str:
    options = {"search": "search=True", "finetune": "finetune="}
    return " or ".join(words for name, words in options.items() if name not in standing.tried)


def _numbers(standing: Standing, finding: Finding) -> str:
    trained, target = standing.trained_length, standing.target_length
    assert finding.overall is not None
    assert finding.at_target is not None
    parts = [
        f"{_interval(finding.overall)} nats above the model with its context cut at {trained:,} "
        f"over all positions to {target:,}, {_interval(finding.at_target)} at the end",
        _keys(finding, counted=standing.counted),
    ]
    if finding.at_most is not None and finding.at_most < target:
        parts.append(f"it is shown not to hold past {finding.at_most:,}")
    if standing.ends:
        parts.append(f"as it is, the model ends at {trained:,}")
    return "; ".join(parts) + "."


def _keys(finding: Finding, *, counted: bool) -> str:
    if not finding.passkeys:
        return "no pass key was asked for"
    longest = max(finding.passkeys)
    right, asked = finding.passkeys[longest]
    if not counted:
        return "pass keys do not count: within its trained length the model does not find them"
    return f"{right} of {asked} pass keys found at {longest:,}"


def _interval(one: Estimate, *, sign: bool = True) -> str:
    form = "+.3f" if sign else ".3f"
    if one.low is None or one.high is None:
        return f"{one.mean:{form}}"
    return f"{one.mean:{form}} [{one.low:{form}}, {one.high:{form}}]"


def _list(findings: Sequence[Finding]) -> str:
    names = [finding.name for finding in findings]
    return f"{', '.join(names[:-1])} and {names[-1]}"

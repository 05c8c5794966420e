"""What the numbers say, in one sentence: nothing that their intervals do not carry."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from phasor._compare.results import Results
from phasor._compare.tasks import look_up_task
from phasor._kit.statistics import Estimate

HOLDS = 0.1
"""An encoding holds to a length if its loss rises by less, upper bound included (nats)."""
BREAKS = 0.25
"""It breaks at a length if its loss rises by more, lower bound included (nats)."""
GUESS = math.log(256)
"""Loss of a guess that takes all bytes for alike, nats per byte."""
LEARNED = 0.95
"""Exact match of the least seed at the training length, below which longer lengths say little."""


def verdict(results: Results) -> str:
    """One sentence about all encodings of `results`, as `summarise` made them."""
    encodings = results.encodings
    if any(summary.exact_match for summary in encodings.values()):
        return _verdict_on_answers(results)
    length = str(results.config.train_length)
    unit = results.unit
    ranking = rank(results, length)
    best = ranking.split(" ")[0]
    sentence = (
        f"At the training length of {length}: {ranking} "
        f"({best} at {encodings[best].loss[length].mean:.3f} nats per {unit})"
    )
    if len(results.config.eval_lengths) > 1:
        behaviour = [f"{name} {beyond(changes)}" for name, changes in results.changes.items()]
        sentence += "; past it " + ", ".join(behaviour)
    lost = [name for name, summary in encodings.items() if summary.loss[length].mean > GUESS]
    if lost:
        sentence += (
            f"; {', '.join(lost)} did no better at {length} than a guess ({GUESS:.2f}): training "
            "went wrong, so longer lengths say nothing of it"
        )
    if len(results.config.seeds) < 2:
        sentence += "; one seed carries no interval, so none of this is a finding"
    return sentence + "."


def rank(results: Results, length: str) -> str:
    """Encodings by loss at `length`, best first, with `<` between neighbours or `=` for a tie."""
    losses = {name: summary.loss[length] for name, summary in results.encodings.items()}
    ranked = sorted(losses, key=lambda name: losses[name].mean)
    tie = {(row.better, row.worse): row.tie for row in results.differences if row.length == length}
    words = [ranked[0]]
    for better, worse in pairwise(ranked):
        words += ["=" if tie[better, worse] else "<", worse]
    return " ".join(words)


def beyond(changes: Mapping[str, Estimate]) -> str:
    """How one encoding fares past the training length, from its changes of loss by length."""
    lengths = list(changes)
    last = changes[lengths[-1]]
    if last.low is None or last.high is None:
        return f"changes by {last.mean:+.2f} at {lengths[-1]}"
    held = []
    for length in lengths:
        high = changes[length].high
        if high is None or not high < HOLDS:
            break
        held.append(length)
    if len(held) == len(lengths):
        return f"holds to {lengths[-1]} ({last.mean:+.2f})"
    rest = lengths[len(held) :]
    broken = [n for n in rest if (low := changes[n].low) is not None and low > BREAKS]
    if broken:
        first = broken[0]
        word = f"holds to {held[-1]} and breaks" if held else "breaks"
        at_once = " at once" if first == lengths[0] else ""
        tail = "" if first == lengths[-1] else f", {last.mean:+.2f} at {lengths[-1]}"
        return f"{word}{at_once} ({changes[first].mean:+.2f} at {first}{tail})"
    if last.low > 0:
        word = f"holds to {held[-1]} and drifts" if held else "drifts"
        return f"{word} ({last.mean:+.2f} at {lengths[-1]})"
    return f"is undecided ({last.mean:+.2f} [{last.low:+.2f}, {last.high:+.2f}])"


def _verdict_on_answers(results: Results) -> str:
    encodings = results.encodings
    lengths = list(map(str, results.config.eval_lengths))
    parts = []
    for length in lengths[:2] + lengths[-1:] * (len(lengths) > 2):
        shares = {name: summary.exact_match[length] for name, summary in encodings.items()}
        ranked = sorted(shares, key=lambda name: -shares[name].mean)
        listed = ", ".join(f"{name} {_share(shares[name].seeds)}" for name in ranked)
        parts.append(f"{listed} at {length}")
    sentence = "Sequences answered exactly: " + "; ".join(parts)
    start = lengths[0]
    young = [
        name
        for name, summary in encodings.items()
        if min(summary.exact_match[start].seeds) < LEARNED
    ]
    if young:
        sentence += (
            f" ({', '.join(young)} had not learned the task at {start} with every seed, so longer "
            "lengths say little of it; give more steps)"
        )
    chance = look_up_task(results.config.task).chance
    if chance:
        last = {name: summary.exact_match[lengths[-1]] for name, summary in encodings.items()}
        guessing = [name for name, share in last.items() if (share.low or 0.0) <= chance]
        sentence += (
            f"; a guess is right in {chance:.2f}"
            + f", and at {lengths[-1]} no more by {', '.join(guessing)}" * bool(guessing)
        )
    if len(results.config.seeds) < 2:
        sentence += "; one seed shows no spread, so none of this is a finding"
    return sentence + "."


def _share(seeds: Sequence[float]) -> str:
    """The mean over seeds, with their range where they differ."""
    mean, low, high = sum(seeds) / len(seeds), min(seeds), max(seeds)
    return f"{mean:.2f}" if high - low < 0.005 else f"{mean:.2f} ({low:.2f} to {high:.2f})"

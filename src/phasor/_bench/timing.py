"""Time that can be compared: rounds in which everyone has a turn, in an order that changes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Protocol

# Long against the resolution of a clock, short against what else a machine does.
_SAMPLE_SECONDS = 0.02

# Turns in each round of what takes less than that: fresh memory now and then costs them several
# times as much, and a median of few would show it.
_TURNS_OF_QUICK_ONES = 3


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is timed.

    Args:
        call: Takes what `setup` returned.
        setup: Called before each repetition, untimed; `None` if there is nothing to set up.
    """

    call: Callable[[Any], object]
    setup: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Sample:
    """Seconds of one call, or how many times those of another.

    Args:
        rounds: Of each round, what each turn in it took.
    """

    rounds: tuple[tuple[float, ...], ...]

    @property
    def median(self) -> float:
        """Of all turns."""
        return median(self._turns)

    @property
    def low(self) -> float:
        """Their lower quartile."""
        return self._quartiles[0]

    @property
    def high(self) -> float:
        """Their upper quartile."""
        return self._quartiles[2]

    def over(self, other: "Sample") -> "Sample":
        """How many times `other`, round by round: what drifts from round to round cancels."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return Sample(tuple((median(mine) / median(its),) for mine, its in pairs))

    @property
    def _turns(self) -> list[float]:
        return [turn for turns in self.rounds for turn in turns]

    @property
    def _quartiles(self) -> list[float]:
        turns = self._turns
        return quantiles(turns, n=4, method="inclusive") if len(turns) > 1 else turns * 3


class Clock(Protocol):
    """Measures calls."""

    @property
    def most_repetitions(self) -> int:
        """How many calls it measures well at a time."""
        ...

    def seconds(self, work: Work, repetitions: int) -> float:
        """Seconds of one call, the mean of `repetitions`."""
        ...


def interleaved(
    works: Mapping[str, Work],
    clock: Clock,
    *,
    rounds: int,
    advance: Callable[[], None] = lambda: None,
    seed: int = 0,
) -> dict[str, Sample]:
    """Time each work in each round, shuffled anew: what drifts, drifts for all.

    Quick ones have several turns a round.

    Args:
        works: By name.
        clock: What measures.
        rounds: How often each has its turn.
        advance: Called once for each work and round, the warm-up being a round too.
        seed: Of the order.

    Returns:
        For each name, what its turns took.
    """
    repetitions = {}
    for name, work in works.items():
        # Work was called before, to be checked: caches are warm, and code is compiled.
        once = clock.seconds(work, 1)
        wanted = _SAMPLE_SECONDS / once if once > 0 else clock.most_repetitions
        repetitions[name] = max(1, min(clock.most_repetitions, round(wanted)))
        advance()
    order = [
        name
        for name, count in repetitions.items()
        for _ in range(_TURNS_OF_QUICK_ONES if count > 1 else 1)
    ]
    shuffle = random.Random(seed).shuffle
    rounds_of: dict[str, list[tuple[float, ...]]] = {name: [] for name in works}
    for _ in range(rounds):
        shuffle(order)
        turns: dict[str, list[float]] = {name: [] for name in works}
        for name in order:
            turns[name].append(clock.seconds(works[name], repetitions[name]))
        for name, taken in turns.items():
            rounds_of[name].append(tuple(taken))
            advance()
    return {name: Sample(tuple(found)) for name, found in rounds_of.items()}

"""Time that can be compared: rounds in which everyone has a turn, in an order that changes."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Protocol

import torch

# Long against the resolution of a clock, short against what else a machine does.
_SAMPLE_SECONDS = 0.02
_MOST_REPETITIONS = 2000

# Turns in each round of what takes less than that: fresh memory now and then costs them several
# times as much, and a median of few would show it.
_TURNS_OF_QUICK_ONES = 3

# More than any cache holds, so that each repetition finds it as cold as the one before.
_FLUSH_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is timed.

    Args:
        call: Takes what `setup` returned.
        setup: Called before each repetition, untimed; `None` if there is nothing to set up.
    """

    call: Callable[[Any], object]
    setup: Callable[[], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Seconds of one call: the median of the rounds, and their quartiles."""

    median: float
    low: float
    high: float


class Clock(Protocol):
    """Measures calls."""

    def seconds(self, work: Work, repetitions: int) -> float:
        """Seconds of one call, the mean of `repetitions`."""
        ...


class HostClock:
    """A clock of the host, around calls that return when they are done.

    Args:
        now: Nanoseconds. Time that the thread ran, where one thread does the work: what else the
            machine does is not in it.
    """

    def __init__(self, now: Callable[[], int] = time.thread_time_ns) -> None:
        self._now = now

    def seconds(self, work: Work, repetitions: int) -> float:
        now, call, setup = self._now, work.call, work.setup
        total = 0
        if setup is None:
            start = now()
            for _ in range(repetitions):
                call(None)
            total = now() - start
        else:
            for _ in range(repetitions):
                state = setup()
                start = now()
                call(state)
                total += now() - start
        return total / repetitions / 1e9


class CudaClock:
    """Events on the stream around each call, with caches flushed before it.

    The flush also keeps the GPU busy while the host prepares the call: what is measured is the
    time on the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._flush = torch.empty(_FLUSH_BYTES, dtype=torch.int8, device=device)

    def seconds(self, work: Work, repetitions: int) -> float:
        marks = []
        for _ in range(repetitions):
            state = None if work.setup is None else work.setup()
            self._flush.zero_()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work.call(state)
            end.record()
            marks.append((start, end))
        torch.cuda.synchronize(self._device)
        return sum(start.elapsed_time(end) for start, end in marks) / repetitions / 1e3


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
        For each name, the median of its rounds.
    """
    repetitions = {}
    for name, work in works.items():
        # Work was called before, to be checked: caches are warm, and code is compiled.
        once = clock.seconds(work, 1)
        wanted = _SAMPLE_SECONDS / once if once > 0 else _MOST_REPETITIONS
        repetitions[name] = max(1, min(_MOST_REPETITIONS, round(wanted)))
        advance()
    order = [
        name
        for name, count in repetitions.items()
        for _ in range(_TURNS_OF_QUICK_ONES if count > 1 else 1)
    ]
    shuffle = random.Random(seed).shuffle
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            seconds[name].append(clock.seconds(works[name], repetitions[name]))
        for _ in works:
            advance()
    return {name: _sample(values) for name, values in seconds.items()}


def _sample(values: list[float]) -> Sample:
    if len(values) == 1:
        return Sample(median=values[0], low=values[0], high=values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Sample(median=median(values), low=low, high=high)

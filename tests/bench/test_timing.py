"""Timing with clocks that are known, so that every number can be."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch

from phasor._bench.clocks import CudaClock, GraphClock, HostClock
from phasor._bench.timing import Sample, Work, interleaved


class FakeTime:
    """Passes when told to."""

    def __init__(self) -> None:
        self.nanoseconds = 0

    def now(self) -> int:
        return self.nanoseconds

    def spend(self, nanoseconds: int) -> Callable[[object], None]:
        def call(state: object) -> None:
            self.nanoseconds += nanoseconds

        return call


def test_seconds_are_of_one_call() -> None:
    time = FakeTime()
    assert HostClock(time.now).seconds(Work(call=time.spend(250)), 8) == 250e-9
    assert time.nanoseconds == 2000


def test_setting_up_is_not_timed() -> None:
    time = FakeTime()
    states = []

    def setup() -> int:
        time.nanoseconds += 10_000
        return time.nanoseconds

    def call(state: object) -> None:
        states.append(state)
        time.nanoseconds += 40

    assert HostClock(time.now).seconds(Work(call=call, setup=setup), 3) == 40e-9
    assert states == [10_000, 20_040, 30_080]


def test_events_lie_around_the_call_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Event:
        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            done.append("event")

        def elapsed_time(self, end: object) -> float:
            assert done[-1] == "synchronised"
            return 3.0

    class Buffer:
        def sum(self) -> None:
            done.append("flush")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append("synchronised"))
    monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: done.append("head start"))
    monkeypatch.setattr(torch, "zeros", lambda *sizes, **how: Buffer())
    both = Work(call=lambda state: done.append("call"), setup=lambda: done.append("setup"))
    # Events count in milliseconds.
    assert CudaClock(torch.device("cuda")).seconds(both, 2) == 3e-3
    calls = ["setup", "flush", "event", "call", "event"] * 2
    assert done == ["head start", *calls, "synchronised"]


def test_a_graph_is_captured_once_and_holds_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Stream:
        def wait_stream(self, other: object) -> None: ...

    class Graph:
        def replay(self) -> None:
            done.append("replay")

    class Events:
        def seconds(self, work: Work, repetitions: int) -> float:
            for _ in range(repetitions):
                work.call(None)
            return 5e-3

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", nullcontext)
    clock = GraphClock(Events())
    work = Work(call=lambda state: done.append("call"))
    assert clock.seconds(work, 1) == 1e-4
    # Three to warm up, fifty that are captured.
    assert done == ["call"] * 53 + ["replay"]
    assert clock.seconds(work, 2) == 1e-4
    assert done == ["call"] * 53 + ["replay"] * 3


class ScriptedClock:
    """Gives each work its seconds in turn, and notes who was asked."""

    most_repetitions = 2000

    def __init__(self, script: dict[Work, list[float]]) -> None:
        self._script = {work: iter(values) for work, values in script.items()}
        self.turns: list[tuple[Work, int]] = []

    def seconds(self, work: Work, repetitions: int) -> float:
        self.turns.append((work, repetitions))
        return next(self._script[work])


def work() -> Work:
    return Work(call=lambda state: None)


def test_median_and_quartiles_of_the_rounds() -> None:
    one = work()
    # The first decides repetitions, and nothing else.
    clock = ScriptedClock({one: [9.0, 5.0, 1.0, 4.0, 2.0, 3.0]})
    found = interleaved({"one": one}, clock, rounds=5)["one"]
    assert (found.median, found.low, found.high) == (3.0, 2.0, 4.0)


def test_one_round() -> None:
    one = work()
    found = interleaved({"one": one}, ScriptedClock({one: [1.0, 7.0]}), rounds=1)
    assert found == {"one": Sample(((7.0,),))}
    assert found["one"].median == found["one"].low == found["one"].high == 7.0


def test_a_ratio_is_taken_round_by_round() -> None:
    slow, quick = Sample(((2.0,), (4.0,), (9.0,))), Sample(((1.0, 1.0, 8.0), (1.0,), (3.0,)))
    ratio = slow.over(quick)
    assert ratio == Sample(((2.0,), (4.0,), (3.0,)))
    assert (ratio.low, ratio.median, ratio.high) == (2.5, 3.0, 3.5)


def test_a_clock_bounds_the_repetitions() -> None:
    one = work()
    clock = ScriptedClock({one: [1e-9, 1.0, 1.0, 1.0]})
    clock.most_repetitions = 8
    interleaved({"one": one}, clock, rounds=1)
    assert clock.turns[-1] == (one, 8)


@pytest.mark.parametrize(
    ("once", "repetitions"), [(1.0, 1), (0.02, 1), (0.004, 5), (1e-9, 2000), (0.0, 2000)]
)
def test_short_calls_are_repeated(once: float, repetitions: int) -> None:
    one = work()
    clock = ScriptedClock({one: [once, 1.0, 1.0, 1.0]})
    interleaved({"one": one}, clock, rounds=1)
    assert clock.turns[-1] == (one, repetitions)


def test_quick_ones_have_three_turns_a_round() -> None:
    slow, quick = work(), work()
    clock = ScriptedClock({slow: [1.0] * 3, quick: [0.01, 1.0, 9.0, 2.0, 3.0, 9.0, 2.0]})
    found = interleaved({"slow": slow, "quick": quick}, clock, rounds=2)
    assert found["quick"].median == 2.5
    assert sorted(each is slow for each, _ in clock.turns[2:6]) == [False, False, False, True]


def test_each_has_one_turn_a_round_in_an_order_that_changes() -> None:
    works = {name: work() for name in "abcdef"}
    clock = ScriptedClock({each: [1.0] * 21 for each in works.values()})
    steps = []
    interleaved(works, clock, rounds=20, advance=lambda: steps.append(1))
    names = {each: name for name, each in works.items()}
    turns = [names[each] for each, _ in clock.turns[6:]]
    rounds = ["".join(turns[start : start + 6]) for start in range(0, 120, 6)]
    assert all(sorted(order) == list("abcdef") for order in rounds)
    assert len(set(rounds)) > 15
    assert len(steps) == 6 + 120

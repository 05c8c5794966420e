"""A run: every case, every contender, checked and then timed in turns."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from phasor._bench.clocks import CudaClock, HostClock
from phasor._bench.contender import Contender
from phasor._bench.entry import Entry, Memory, enter
from phasor._bench.hardware import hardware, versions
from phasor._bench.ours import IN_PLACE, NEW, OURS, why_no_kernel
from phasor._bench.results import COPY, Case, PeerFound, Results, Row
from phasor._bench.shapes import Shape
from phasor._bench.timing import Clock, Sample, Work, interleaved
from phasor._bench.workload import Direction, Workload, check_memory
from phasor._kit.watching import Advanced, Begun, begin
from phasor.errors import ArgumentError
from phasor.rotary import Layout


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Args:
        shapes: Of query and key.
        dtypes: Of query and key.
        layouts: Which pairs; each contender is measured on those that it knows.
        peers: Against whom, installed or not.
        device: Where.
        threads: Of the CPU.
        rounds: How often each contender has its turn.
        backward: Measure the backward too.

    Raises:
        ArgumentError: No thread, no round, or a shape too large for this machine.
    """

    shapes: Sequence[Shape]
    dtypes: Sequence[torch.dtype]
    layouts: Sequence[Layout]
    peers: Sequence[Contender]
    device: torch.device
    threads: int = 1
    rounds: int = 5
    backward: bool = False

    def __post_init__(self) -> None:
        for what, number in (("threads", self.threads), ("rounds", self.rounds)):
            if number < 1:
                raise ArgumentError(f"{what} must be at least 1, got {number}")
        for shape in self.shapes:
            for dtype in self.dtypes:
                check_memory(self.workload(shape, dtype, self.layouts[0]))

    def workload(self, shape: Shape, dtype: torch.dtype, layout: Layout) -> Workload:
        """One of those that are measured."""
        return Workload(shape=shape, dtype=dtype, device=self.device, layout=layout)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Forward, and backward where it was asked for."""
        return ("forward", "backward") if self.backward else ("forward",)

    @property
    def num_cases(self) -> int:
        """How many there are."""
        return len(self.shapes) * len(self.dtypes) * len(self.directions)


Event = Begun[Case] | Advanced[Case]
"""A case, still without rows, is next; or of it, a contender was checked or had its turn."""


def run(plan: Plan, watch: Callable[[Event], None]) -> Results:
    """Measure everything.

    Args:
        plan: What.
        watch: Who is told how far it is.

    Returns:
        The results.
    """
    installed = [peer for peer in plan.peers if peer.is_installed]
    cases = []
    with _threads(plan.threads):
        clock = _clock(plan)
        for shape in plan.shapes:
            for dtype in plan.dtypes:
                for direction in plan.directions:
                    who = [*OURS, *installed]
                    with torch.set_grad_enabled(direction == "backward"):
                        cases.append(_case(plan, shape, dtype, direction, who, clock, watch))
    return Results(
        hardware=hardware(plan.device, plan.threads),
        versions=versions(),
        clock=_clock_name(plan),
        rounds=plan.rounds,
        no_kernel=why_no_kernel(plan.device, plan.dtypes[0]),
        peers=tuple(_found(peer) for peer in plan.peers),
        cases=tuple(cases),
    )


def _case(
    plan: Plan,
    shape: Shape,
    dtype: torch.dtype,
    direction: Direction,
    contenders: Sequence[Contender],
    clock: Clock,
    watch: Callable[[Event], None],
) -> Case:
    chosen = [
        (contender, plan.workload(shape, dtype, layout))
        for layout in plan.layouts
        for contender in contenders
        if layout in contender.layouts
        and (contender not in OURS or direction in contender.directions)
    ]
    any_workload = plan.workload(shape, dtype, plan.layouts[0])
    case = Case(
        shape=shape,
        dtype=str(dtype).removeprefix("torch."),
        direction=direction,
        bytes=any_workload.bytes,
        rows=(),
    )
    # Each is checked, warmed up, and timed in every round.
    advance = begin(watch, case, len(chosen) + (len(chosen) + 1) * (1 + plan.rounds))
    memory = Memory.of(any_workload)
    works, rows = {COPY: _copy(memory)}, {COPY: Row(contender=COPY, layout=None)}
    for contender, workload in chosen:
        found = enter(contender, workload, direction, memory)
        advance(1)
        label = f"{contender.name} {workload.layout}"
        if isinstance(found, Entry):
            works[label] = found.work
            rows[label] = Row(contender=contender.name, layout=workload.layout, error=found.error)
        else:
            rows[label] = found
            advance(1 + plan.rounds)
    samples = interleaved(works, clock, rounds=plan.rounds, advance=lambda: advance(1))
    timed = [_timed(row, samples, label, case.bytes) for label, row in rows.items()]
    return replace(case, rows=tuple(timed))


def _copy(memory: Memory) -> Work:
    def call(_: object) -> None:
        for here, there in zip(memory.source, memory.scratch, strict=True):
            there.copy_(here)

    return Work(call=call)


def _timed(row: Row, samples: dict[str, Sample], label: str, size: int) -> Row:
    sample = samples.get(label)
    if sample is None:
        return row

    def times(other: str) -> float | None:
        base = samples.get(other)
        return None if base is None else sample.median / base.median

    return replace(
        row,
        seconds=sample.median,
        low=sample.low,
        high=sample.high,
        gigabytes_per_second=size / sample.median / 1e9,
        times_copy=times(COPY),
        times_in_place=times(f"{IN_PLACE} {row.layout}"),
        times_new=times(f"{NEW} {row.layout}"),
    )


def _found(peer: Contender) -> PeerFound:
    return PeerFound(
        name=peer.name,
        version=peer.version,
        installed=peer.is_installed,
        call=peer.call,
        excluded=peer.excluded,
        install=peer.install,
        devices=peer.devices,
        in_place=peer.mutates,
    )


def _clock(plan: Plan) -> Clock:
    if plan.device.type == "cuda":
        return CudaClock(plan.device)
    return HostClock() if plan.threads == 1 else HostClock(time.perf_counter_ns)


def _clock_name(plan: Plan) -> str:
    if plan.device.type == "cuda":
        return "time on the GPU, caches flushed before each call"
    if plan.threads == 1:
        return "CPU time of one thread"
    return f"time that passed, {plan.threads} threads"


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)

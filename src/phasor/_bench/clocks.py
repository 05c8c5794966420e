"""What measures: a clock of the host, events on the GPU, a CUDA graph."""

import time
from collections.abc import Callable

import torch

from phasor._bench.timing import Work

# More than any cache holds, so that each repetition finds it as cold as the one before.
_FLUSH_BYTES = 256 * 2**20

# Clock cycles that the GPU waits, some 5 ms, and calls that the host surely queues meanwhile: no
# kernel waits for its launch.
_HEAD_START = 10_000_000
_CALLS_QUEUED = 8

# So many that launching the graph is next to nothing.
_CALLS_IN_A_GRAPH = 50
_WARM_UPS = 3


class HostClock:
    """A clock of the host, around calls that return when they are done.

    Args:
        now: Nanoseconds. Time that the thread ran, where one thread does the work: what else the
            machine does is not in it.
    """

    most_repetitions = 2000

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

    The GPU is kept busy while the host queues the calls: what is measured is the time on the
    device.
    """

    most_repetitions = _CALLS_QUEUED

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._flush = torch.zeros(_FLUSH_BYTES // 4, device=device)

    def seconds(self, work: Work, repetitions: int) -> float:
        marks = []
        torch.cuda._sleep(_HEAD_START)
        for _ in range(repetitions):
            state = None if work.setup is None else work.setup()
            # Reading leaves nothing to be written back while the call is timed.
            self._flush.sum()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work.call(state)
            end.record()
            marks.append((start, end))
        torch.cuda.synchronize(self._device)
        return sum(start.elapsed_time(end) for start, end in marks) / repetitions / 1e3


class GraphClock:
    """Calls one after the other in a CUDA graph, for those that are shorter than their launch.

    Caches are warm but for the first of them. There is no setting up inside a graph: `setup` is
    not called.

    Args:
        events: What times the graph.
    """

    most_repetitions = _CALLS_QUEUED

    def __init__(self, events: CudaClock) -> None:
        self._events = events
        self._graphs: dict[Work, Work] = {}

    def seconds(self, work: Work, repetitions: int) -> float:
        if work not in self._graphs:
            self._graphs[work] = _captured(work)
        return self._events.seconds(self._graphs[work], repetitions) / _CALLS_IN_A_GRAPH


def _captured(work: Work) -> Work:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            work.call(None)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(_CALLS_IN_A_GRAPH):
            work.call(None)
    return Work(call=lambda _: graph.replay())

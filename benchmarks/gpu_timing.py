"""Timing on a GPU: interleaved, from a cold cache, without the host's share."""

import random
import statistics
from collections.abc import Callable, Mapping

import torch

# Larger than any level-two cache on the market: what was read before is gone.
_FLUSH_BYTES = 256 * 2**20
# Working sets beyond this push themselves out of the cache.
_COLD_BYTES = 200_000_000
# Clock cycles for the host to run ahead in, so that no kernel waits for its launch.
_HEAD_START = 20_000_000

Measure = Callable[[Mapping[str, Callable[[], object]], int], dict[str, float]]


def measure(
    runs: Mapping[str, Callable[[], object]], working_set: int, *, rounds: int = 31
) -> dict[str, float]:
    """Median microseconds on the device of each of `runs`, in shuffled rounds of all of them."""
    flush = torch.zeros(_FLUSH_BYTES // 4, device="cuda")
    spans: dict[str, list[tuple[torch.cuda.Event, torch.cuda.Event]]] = {name: [] for name in runs}
    order, shuffle = list(runs), random.Random(0).shuffle
    for run in runs.values():
        for _ in range(3):
            run()
    for _ in range(rounds):
        shuffle(order)
        torch.cuda.synchronize()
        torch.cuda._sleep(_HEAD_START)
        for name in order:
            if working_set < _COLD_BYTES:
                # Reading leaves nothing to be written back while the next kernel is timed.
                flush.sum()
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            runs[name]()
            end.record()
            spans[name].append((begin, end))
    torch.cuda.synchronize()
    return {
        name: statistics.median(begin.elapsed_time(end) for begin, end in pairs) * 1000
        for name, pairs in spans.items()
    }


def measure_graphs(
    runs: Mapping[str, Callable[[], object]], working_set: int, *, repeats: int = 50
) -> dict[str, float]:
    """Median microseconds of each of `runs` inside a CUDA graph of `repeats` of them."""
    replays = {}
    for name, run in runs.items():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(repeats):
                run()
        replays[name] = graph.replay
    times = measure(replays, max(working_set, _COLD_BYTES))
    return {name: microseconds / repeats for name, microseconds in times.items()}

"""The rotation on the CPU: as a ratio to copying the same tensors, and against transformers.

python benchmarks/rotate_cpu.py [--rounds 15] [--shapes A B C] [--compile] [--keep-memory]

One thread, time of that thread, medians over rounds in which everything takes its turn in a random
order. Angles are included. A result that is wrong is not timed.
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace

import torch
from torch import Tensor

import phasor
from phasor._bench.clocks import HostClock
from phasor._bench.contender import Contender, Rotation
from phasor._bench.entry import Entry, Memory, enter
from phasor._bench.ours import IN_PLACE, NEW, OURS
from phasor._bench.peers import transformers
from phasor._bench.shapes import NAMED
from phasor._bench.timing import Work, interleaved
from phasor._bench.workload import BASE, Direction, Pair, Storage, Workload
from phasor.kernels import cpu
from phasor.kernels._turn import Turn
from phasor.rotary import Layout

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STORAGES: dict[Storage, str] = {
    "tokens first": "batch, seq, heads",
    "heads first": "batch, heads, seq",
}
# Of the length of a pair: what rounds its values explains, and nothing else.
LARGEST_ERRORS = {"float32": 2e-6, "bfloat16": 1e-2}
HOST_BAR = 8.0  # microseconds


@dataclass
class Row:
    """One thing that is timed, and what its ratio to copying must not exceed."""

    name: str
    work: Work
    bar: float | None = None


def bar_of(kind: str, shape: str, dtype: str, storage: Storage) -> float | None:
    if shape == "C":
        return None if kind == "backward" else 2.5  # decoding has no backward
    if kind != "in place":
        return 1.3
    if storage == "heads first":
        return 1.15
    return {("A", "float32"): 0.65, ("A", "bfloat16"): 0.80, ("B", "float32"): 0.65}.get(
        (shape, dtype), 1.1
    )


def checked(
    contender: Contender, workload: Workload, memory: Memory, direction: Direction = "forward"
) -> Entry:
    """The work, found right; ends the script where it is wrong."""
    found = enter(contender, workload, direction, memory)
    if not isinstance(found, Entry):
        raise SystemExit(f"{contender.name}, {workload.layout}, {direction}: {found.reason}")
    return found


def workload_of(shape: str, dtype: str, layout: Layout) -> Workload:
    return Workload(
        shape=NAMED[shape], dtype=DTYPES[dtype], device=torch.device("cpu"), layout=layout
    )


def rows_of(shape: str, dtype: str, storage: Storage) -> list[Row]:
    memory = Memory.of(workload_of(shape, dtype, "half"))
    query, key = memory.source if storage == "tokens first" else memory.heads_first
    held = [torch.zeros_like(x) for x in (query, key)]
    ours = {contender.name: replace(contender, storages=(storage,)) for contender in OURS}

    def row(kind: str, name: str, layout: Layout, direction: Direction = "forward") -> Row:
        workload = workload_of(shape, dtype, layout)
        found = checked(ours[name], workload, memory, direction)
        if found.error > LARGEST_ERRORS[dtype]:
            raise SystemExit(f"{kind}, {layout}: off by {found.error:.2g} of a pair's length")
        work = found.work if direction == "forward" else backward(found, memory)
        return Row(f"{kind}, {layout}", work, bar_of(kind, shape, dtype, storage))

    rows = [
        Row("copy_", Work(call=lambda _: (held[0].copy_(query), held[1].copy_(key)))),
        Row("clone (fresh memory)", Work(call=lambda _: (query.clone(), key.clone()))),
    ]
    for layout in ("half", "interleaved"):
        work = into_held(workload_of(shape, dtype, layout), (query, key), held)
        rows += [
            row("in place", IN_PLACE, layout),
            Row(f"into held memory, {layout}", work),
            row("out of place", NEW, layout),
            row("backward", NEW, layout, "backward"),
        ]
    return rows


def backward(entry: Entry, memory: Memory) -> Work:
    """Through one graph again and again: a forward before each would leave it only fresh memory."""
    pair = memory.pair(entry.contender)
    leaves = [x.clone().requires_grad_() for x in pair]
    turned = entry.contender.prepare(entry.workload)(*leaves)
    return Work(call=lambda _: torch.autograd.grad(turned, leaves, pair, retain_graph=True))


def into_held(workload: Workload, pair: Pair, held: list[Tensor]) -> Work:
    positions = workload.positions
    turns = phasor.geometric(workload.shape.head_dim, BASE).turns
    turn = Turn(workload.layout == "interleaved", start=0)
    return Work(call=lambda _: cpu.launch(*pair, *held, positions, turns, turn))


def transformers_rows(shape: str, dtype: str, compiled: bool) -> list[Row]:
    """What a layer of Llama in transformers does, cosines and sines included."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    def prepare(workload: Workload) -> Rotation:
        rotary = transformers.rotary_embedding(workload)
        positions = workload.positions.expand(workload.shape.batch, workload.shape.seq)

        def rotate(query: Tensor, key: Tensor) -> Pair:
            return apply_rotary_pos_emb(query, key, *rotary(query, positions))

        return torch.no_grad()(torch.compile(rotate) if how == "compiled" else rotate)

    workload = workload_of(shape, dtype, "half")
    memory, rows = Memory.of(workload), []
    for how in ("eager", "compiled") if compiled else ("eager",):
        peer = replace(transformers.PEER, prepare=prepare)
        rows.append(Row(f"transformers, {how}", checked(peer, workload, memory).work))
    return rows


def host_microseconds() -> dict[str, float]:
    """Of a call that has next to nothing to turn: one token of one sequence, as in decoding."""
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    given = query, key, torch.tensor([[7]]), phasor.geometric(8)
    works = {
        "in place": Work(call=lambda _: phasor.rotate(*given, inplace=True)),
        "out of place": Work(call=lambda _: phasor.rotate(*given)),
    }
    found = interleaved(works, HostClock(), rounds=21)
    return {name: 1e6 * sample.median for name, sample in found.items()}


# Else glibc returns what is freed to the system, and fresh pages cost more than the rotation.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--shapes", nargs="+", choices=NAMED, default=list(NAMED))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--compile", action="store_true", help="transformers under torch.compile")
    parser.add_argument(
        "--keep-memory",
        action="store_true",
        help="have the C library (glibc) keep freed memory, instead of asking the system for fresh "
        "pages for each new result over 32 MB",
    )
    options = parser.parse_args()
    if options.keep_memory and not KEEP_MEMORY.items() <= os.environ.items():
        # Read when a process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})
    if cpu.why_missing():
        raise SystemExit(cpu.why_missing())
    torch.set_num_threads(1)
    torch.manual_seed(0)
    missed = 0
    for name, value in host_microseconds().items():
        print(f"host time, {name}: {value:.1f} us (bar {HOST_BAR:.0f} in place)")
        missed += name == "in place" and value > HOST_BAR
    for shape in options.shapes:
        for dtype in options.dtypes:
            for storage in STORAGES:
                rows = rows_of(shape, dtype, storage)
                if storage == "tokens first":
                    rows += transformers_rows(shape, dtype, options.compile and shape == "A")
                works = {row.name: row.work for row in rows}
                samples = interleaved(works, HostClock(), rounds=options.rounds)
                found = {name: sample.median for name, sample in samples.items()}
                copy, order = found["copy_"], STORAGES[storage]
                print(f"\n{shape} {dtype} [{order}, head_dim]: copy_ {1e3 * copy:.3f} ms")
                ours = found["in place, half"]
                for row in rows:
                    ratio = found[row.name] / copy
                    line = f"  {row.name:32}{ratio:7.2f}"
                    if row.bar is not None:
                        met = ratio <= row.bar
                        missed += not met
                        line += f"   bar {row.bar:.2f} {'met' if met else 'MISSED'}"
                    if row.name.startswith("transformers"):
                        line += f"   {found[row.name] / ours:.1f} times as long as in place"
                    print(line)
    print(f"\n{missed} bars missed")


if __name__ == "__main__":
    main()

"""The rotation on the CPU: as a ratio to copying the same tensors, and against transformers.

python benchmarks/rotate_cpu.py [--rounds 15] [--shapes A B C] [--compile] [--keep-memory]

One thread, time of that thread, medians over rounds in which everything takes its turn in a random
order. Angles are included. A result that is wrong is not timed.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor.kernels import cpu
from phasor.kernels._turn import Turn

SHAPES = {
    "A": ((1, 32, 4096, 128), (1, 8, 4096, 128)),
    "B": ((8, 16, 512, 64), (8, 16, 512, 64)),
    "C": ((64, 32, 1, 128), (64, 8, 1, 128)),
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STORAGES = ("batch, seq, heads", "batch, heads, seq")
HOST_BAR = 8.0  # microseconds


@dataclass
class Row:
    """One thing that is timed, and what its ratio to copying must not exceed."""

    name: str
    run: Callable[[], object]
    bar: float | None = None


def bar_of(kind: str, shape: str, dtype: str, storage: str) -> float | None:
    if shape == "C":
        return None if kind == "backward" else 2.5  # decoding has no backward
    if kind != "in place":
        return 1.3
    if storage == "batch, heads, seq":
        return 1.15
    return {("A", "float32"): 0.65, ("A", "bfloat16"): 0.80, ("B", "float32"): 0.65}.get(
        (shape, dtype), 1.1
    )


def stored(shape: tuple[int, ...], storage: str, dtype: torch.dtype) -> Tensor:
    x = torch.randn(shape).to(dtype)
    if storage == "batch, heads, seq":
        return x
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def positions_of(shape: str) -> Tensor:
    """0, 1, 2, ..., or in decoding one for each sequence."""
    batch, _, seq, _ = SHAPES[shape][0]
    return torch.arange(seq) if seq > 1 else torch.randint(0, 8192, (batch, 1))


def check(shape: str, dtype: torch.dtype, storage: str, layout: str) -> None:
    """Raise unless every way to call gives what the reference gives in float64."""
    query, key = (stored(size, storage, dtype) for size in SHAPES[shape])
    positions, frequencies = positions_of(shape), phasor.geometric(query.shape[-1])
    tolerance = 1e-2 if dtype == torch.bfloat16 else 2e-6
    wanted = phasor.rotate(
        query.double(), key.double(), positions, frequencies, layout=layout, impl="reference"
    )
    for inplace in (False, True):
        found = phasor.rotate(query, key, positions, frequencies, layout=layout, inplace=inplace)
        for got, want in zip(found, wanted, strict=True):
            assert_close(got.double(), want, rtol=tolerance, atol=tolerance)


def rows_of(shape: str, dtype_name: str, storage: str) -> list[Row]:
    dtype = DTYPES[dtype_name]
    positions = positions_of(shape)
    frequencies = phasor.geometric(SHAPES[shape][0][-1])
    query, key = (stored(size, storage, dtype) for size in SHAPES[shape])
    held = [torch.zeros_like(x) for x in (query, key)]
    rows = [
        Row("copy_", lambda: (held[0].copy_(query), held[1].copy_(key))),
        Row("clone (fresh memory)", lambda: (query.clone(), key.clone())),
    ]
    for layout in ("half", "interleaved"):
        check(shape, dtype, storage, layout)
        own = [x.clone(memory_format=torch.preserve_format) for x in (query, key)]

        def rotate(own: list[Tensor] = own, layout: str = layout, inplace: bool = True) -> object:
            return phasor.rotate(
                own[0], own[1], positions, frequencies, layout=layout, inplace=inplace
            )

        leaves = [x.clone().requires_grad_() for x in (query, key)]
        turned = phasor.rotate(*leaves, positions, frequencies, layout=layout)
        upstream = [stored(size, storage, dtype) for size in SHAPES[shape]]

        def backward(
            turned: object = turned, leaves: object = leaves, upstream: object = upstream
        ) -> object:
            return torch.autograd.grad(turned, leaves, upstream, retain_graph=True)

        def into_held(layout: str = layout) -> None:
            cpu.launch(
                query, key, held[0], held[1], positions, frequencies.turns,
                Turn(layout == "interleaved", start=0),
            )  # fmt: skip

        rows += [
            Row(f"in place, {layout}", rotate, bar_of("in place", shape, dtype_name, storage)),
            Row(f"into held memory, {layout}", into_held),
            Row(
                f"out of place, {layout}",
                lambda rotate=rotate: rotate(inplace=False),
                bar_of("out of place", shape, dtype_name, storage),
            ),
            Row(f"backward, {layout}", backward, bar_of("backward", shape, dtype_name, storage)),
        ]
    return rows


def transformers_rows(shape: str, dtype: torch.dtype, compiled: bool) -> list[Row]:
    """What a layer of Llama in transformers does, cosines and sines included."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    query, key = (stored(size, "batch, seq, heads", dtype) for size in SHAPES[shape])
    batch, _, seq, head_dim = query.shape
    rotary = LlamaRotaryEmbedding(
        LlamaConfig(hidden_size=head_dim * query.shape[1], num_attention_heads=query.shape[1])
    )
    positions = positions_of(shape).expand(batch, seq)

    def rotate(query: Tensor, key: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = rotary(query, positions)
        return apply_rotary_pos_emb(query, key, cos, sin)

    with torch.no_grad():
        ours = phasor.rotate(query, key, positions, phasor.geometric(head_dim), precision="float32")
        for got, want in zip(ours, rotate(query, key, positions), strict=True):
            tolerance = 6e-2 if dtype == torch.bfloat16 else 2e-3
            assert_close(got, want, rtol=tolerance, atol=tolerance)
    rows = [Row("transformers, eager", torch.no_grad()(lambda: rotate(query, key, positions)))]
    if compiled:
        quick = torch.compile(rotate)
        run = torch.no_grad()(lambda: quick(query, key, positions))
        run()
        rows.append(Row("transformers, compiled", run))
    return rows


def medians(rows: list[Row], rounds: int, repeats: int) -> dict[str, float]:
    """Seconds of this thread for each, of rounds that are taken in turns."""
    times: dict[str, list[float]] = {row.name: [] for row in rows}
    for _ in range(rounds):
        for row in random.sample(rows, len(rows)):
            start = time.thread_time()
            for _ in range(repeats):
                row.run()
            times[row.name].append((time.thread_time() - start) / repeats)
    return {name: statistics.median(each) for name, each in times.items()}


def host_microseconds() -> dict[str, float]:
    """Of a call that has next to nothing to turn: one token of one sequence, as in decoding."""
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    positions, frequencies = torch.tensor([[7]]), phasor.geometric(8)
    rows = [
        Row("in place", lambda: phasor.rotate(query, key, positions, frequencies, inplace=True)),
        Row("out of place", lambda: phasor.rotate(query, key, positions, frequencies)),
    ]
    return {name: 1e6 * value for name, value in medians(rows, 21, 2000).items()}


# Else glibc returns what is freed to the system, and fresh pages cost more than the rotation.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
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
                if storage == STORAGES[0]:
                    compiled = options.compile and shape == "A"
                    rows += transformers_rows(shape, DTYPES[dtype], compiled)
                found = medians(rows, options.rounds, 20 if shape == "C" else 1)
                copy = found["copy_"]
                print(f"\n{shape} {dtype} [{storage}, head_dim]: copy_ {1e3 * copy:.3f} ms")
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

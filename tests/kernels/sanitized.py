"""Random calls of every native entry, of a library built with the compiler's sanitizers.

cd tests && python -m kernels.sanitized [--calls 6000] [--seed 0]

Each result is compared with complex numbers in float64. A third of the calls have something wrong
with them: they must raise one of phasor's errors, or be right all the same. Fails on the first
wrong number, on any other error, and where AddressSanitizer or UndefinedBehaviorSanitizer reports.
"""

import argparse
import os
import random
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kernels.native_calls import DTYPES, ROUNDINGS, Call, drawn
from torch import Tensor

import phasor
from phasor.errors import PhasorError
from phasor.kernels import cpu
from phasor.kernels.by_table import rotate_by_table
from phasor.kernels.cpu import library


def spoil(draw: random.Random, call: Call) -> str:
    """Make something of the call wrong, or unusual."""
    kinds = [
        "key batch", "key seq", "key head_dim", "key dtype", "fewer positions", "more batches",
        "start", "start before", "axes", "pairs", "sin", "shared", "freed", "freed positions",
        "freed table", "negated", "negated positions", "negated table", "zeros", "float8", "sparse",
        "meta", "order", "expanded", "positions within",
    ]  # fmt: skip
    kind = draw.choice(kinds)
    query = call.query
    batch, _, seq, head_dim = query.shape
    new = {"key batch": (batch + 1, 2, seq, head_dim), "key seq": (batch, 2, seq + 3, head_dim)}
    if kind in new or kind == "key head_dim":
        call.key = torch.randn(new.get(kind, (batch, 2, seq, head_dim // 2 + 1))).to(query.dtype)
    elif kind == "key dtype":
        call.key = torch.randn(query.shape).to(draw.choice(DTYPES))
    elif kind == "fewer positions":
        call.positions, call.cos, call.sin = (
            x[:, : seq // 2] for x in (call.positions, call.cos, call.sin)
        )
    elif kind == "more batches":
        call.positions, call.cos, call.sin = (
            x[:1].repeat(batch + 2, 1, 1) for x in (call.positions, call.cos, call.sin)
        )
    elif kind == "start":
        call.start = head_dim + draw.randint(0, 10**6)
    elif kind == "start before":
        call.start = -draw.randint(1, 10**6)
    elif kind == "axes":
        call.frequencies = call.frequencies.repeat(50, 1)
        call.exact = phasor.Frequencies(call.frequencies)
    elif kind == "pairs":
        call.frequencies = call.frequencies.repeat(1, 50)
        call.exact = phasor.Frequencies(call.frequencies)
        call.cos, call.sin = call.cos.repeat(1, 1, 50), call.sin.repeat(1, 1, 50)
    elif kind == "sin":
        call.sin = call.sin[..., :1]
    elif kind == "shared":
        call.key = query
    elif kind == "freed":
        call.query = query.clone()
        call.query.untyped_storage().resize_(0)
    elif kind == "freed positions":
        call.positions = call.positions.clone()
        call.positions.untyped_storage().resize_(0)
    elif kind == "freed table":
        call.sin = call.sin.clone()
        call.sin.untyped_storage().resize_(0)
    elif kind == "negated":
        call.query = torch._neg_view(query)
        call.key = None if call.key is None else torch._neg_view(call.key)
    elif kind == "negated positions":
        call.positions = torch._neg_view(call.positions)
    elif kind == "negated table":
        call.cos, call.sin = torch._neg_view(call.cos), torch._neg_view(call.sin)
    elif kind == "zeros":
        zeros = torch._efficientzerotensor(query.shape, dtype=query.dtype)
        call.query, call.key = draw.choice([(zeros, call.key), (query, zeros)])
    elif kind == "float8":
        call.query = query.to(torch.float8_e4m3fn)
    elif kind == "sparse":
        call.query = query.to_sparse()
    elif kind == "meta":
        call.key = query.to("meta")
    elif kind == "order":
        call.order = draw.choice([-1, 3, 99])
    elif kind == "expanded" and query.numel():
        call.query, call.inplace = query[:, :1].expand(-1, 3, -1, -1), True
    elif kind == "positions within" and query.numel():
        whole = torch.randn(query.shape)
        call.query, call.key = whole, None
        call.positions = whole[:1, 0, :, : call.positions.shape[2]]
    return kind


def by_complex_numbers(x: Tensor, call: Call, cos: Tensor, sin: Tensor, start: int) -> Tensor:
    """The pairs of `x` times the numbers `cos + i sin`, in float64."""
    pairs = cos.shape[-1]
    out = x.resolve_neg().double().clone(memory_format=torch.contiguous_format)
    part = out[..., start : start + 2 * pairs]
    first, second = part[..., :pairs], part[..., pairs:]
    if call.interleaved:
        first, second = part[..., 0::2], part[..., 1::2]
    turned = torch.complex(first.contiguous(), second.contiguous())
    turned = turned * torch.complex(cos.double(), sin.double())[:, None]
    first.copy_(turned.real)
    second.copy_(turned.imag)
    return out


def angles(positions: Tensor, frequencies: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    positions = positions.resolve_neg()
    angle = (positions.to(frequencies.dtype).unsqueeze(-1) * frequencies).sum(-2).double()
    return angle.cos(), sign * angle.sin()


# Each entry gives its results, and cosines, sines and first channel for what they should be.
Entry = Callable[[random.Random, Call], tuple[tuple[Tensor | None, ...], Tensor, Tensor, int]]


def public(draw: random.Random, call: Call) -> Any:
    trailing = draw.random() < 0.5
    positions = call.positions
    if call.exact.axes == 1 and positions.ndim == 3:
        positions = positions[..., 0]
    if positions.shape[0] == 1 and draw.random() < 0.5:
        positions = positions[0]
    precision = draw.choice(["exact", "float32"])
    radians = call.frequencies if precision == "exact" else call.frequencies.float()
    cos, sin = angles(call.positions, radians, call.sign)
    before = call.query.shape[3] - 2 * cos.shape[2] if trailing else 0
    found = phasor.rotate(
        call.query, call.key, positions, call.exact,
        layout="interleaved" if call.interleaved else "half",
        rotary_slice="trailing" if trailing else "leading", inverse=call.sign < 0,
        precision=precision, inplace=call.inplace,
    )  # fmt: skip
    return found, cos, sin, before


def packed(draw: random.Random, call: Call) -> Any:
    query = call.query[0].transpose(0, 1) if len(call.query) else call.query
    key = None if call.key is None or not len(call.key) else call.key[0].transpose(0, 1)
    if query.ndim != 3:
        return (), call.cos, call.sin, 0
    places = call.positions[0] if len(call.positions) else call.positions
    cos, sin = angles(places[None], call.frequencies, 1)
    found = phasor.rotate(
        query, key, places[:, 0] if call.exact.axes == 1 else places, call.exact,
        layout="interleaved" if call.interleaved else "half", inplace=call.inplace,
    )  # fmt: skip
    call.query, call.key = call.query[:1], None if call.key is None else call.key[:1]
    return tuple(None if x is None else x.transpose(0, 1)[None] for x in found), cos, sin, 0


def operand(draw: random.Random, call: Call) -> tuple[Tensor, Tensor]:
    """What the operators multiply positions by, and in radians."""
    if not call.positions.is_floating_point() and draw.random() < 0.5:
        return call.exact.turns, call.frequencies
    dtype = draw.choice([torch.float64, torch.float32])
    numbers = call.frequencies.to(dtype)
    return draw.choice([numbers, numbers.T.contiguous().T]), numbers


def operator(draw: random.Random, call: Call) -> Any:
    numbers, radians = operand(draw, call)
    cos, sin = angles(call.positions, radians, call.sign)
    how = (call.positions, numbers, call.interleaved, call.start, call.sign, 1.0)
    if call.inplace:
        torch.ops.phasor.rotate_(call.query, call.key, *how)
        return (call.query, call.key), cos, sin, call.start
    key = call.query[:, :0] if call.key is None else call.key
    found = torch.ops.phasor.rotate(call.query, key, *how)
    return (found[0], None if call.key is None else found[1]), cos, sin, call.start


def table(draw: random.Random, call: Call) -> Any:
    found = rotate_by_table(
        call.query, call.key, call.cos, call.sin,
        layout="interleaved" if call.interleaved else "half", start=call.start,
        rounding=call.rounding,
    )  # fmt: skip
    return found, call.cos.resolve_neg(), call.sin.resolve_neg(), call.start


def table_operator(draw: random.Random, call: Call) -> Any:
    road = ROUNDINGS[call.rounding]
    key = call.query[:, :0] if call.key is None else call.key
    found = torch.ops.phasor.rotate_by_table(
        call.query, key, call.cos, call.sin, call.interleaved, call.start, call.sign, call.order,
        road, 0, road,
    )  # fmt: skip
    found = (found[0], None if call.key is None else found[1])
    return found, call.cos.resolve_neg(), call.sign * call.sin.resolve_neg(), call.start


ENTRIES: list[Entry] = [public, public, packed, operator, operator, table, table_operator]
ROUNDING = {torch.float64: 1e-11, torch.float32: 2e-6, torch.bfloat16: 2e-2, torch.float16: 3e-3}


def judge(x: Tensor, found: Tensor, call: Call, cos: Tensor, sin: Tensor, start: int) -> bool:
    wanted = by_complex_numbers(x, call, cos, sin, start)
    if found.shape != wanted.shape:
        return False
    if not wanted.numel():
        return True
    tables = [float(table.abs().max()) for table in (cos, sin) if table.numel()]
    scale = x.double().abs().max() * max(1.0, *tables)
    # Rounding to "each" also rounds a table to the dtype of the activations.
    return bool(((found.double() - wanted).abs() <= ROUNDING[found.dtype] * 2 * scale).all())


def around(x: Tensor | None) -> int:
    """How many NaNs stand around `x` in its memory."""
    if x is None or x._base is None or not x._base.is_floating_point() or x.is_sparse:
        return 0
    return int(x._base.isnan().sum()) if x._base.untyped_storage().nbytes() else 0


def run(calls: int, seed: int) -> None:
    counts: Counter[str] = Counter()
    for number in range(calls):
        draw = random.Random(f"{seed} {number}")
        torch.manual_seed(draw.getrandbits(32))
        torch.set_num_threads(draw.choice([1, 1, 3]))
        call = drawn(draw)
        spoilt = spoil(draw, call) if draw.random() < 0.35 else None
        entry = draw.choice(ENTRIES)
        name = f"call {number} of seed {seed}: {entry.__name__}, {spoilt}"
        given = [call.query, call.key]
        kept = [None if x is None or x.is_meta or spoilt == "freed" else x.clone() for x in given]
        nans = [around(x) for x in given]
        print(name, file=sys.stderr, flush=True)
        try:
            found, *wanted = entry(draw, call)
        except PhasorError:
            if spoilt is None:
                raise
            counts["refused with a sentence"] += 1
            continue
        except (RuntimeError, TypeError, IndexError):
            # What the call itself is made from: PyTorch refuses to look at freed memory, or views.
            if spoilt in ("freed", "freed positions", "freed table", "zeros", "sparse", "float8"):
                counts["refused by PyTorch"] += 1
                continue
            raise
        counts[entry.__name__] += 1
        if spoilt:
            counts["unusual but right"] += 1
        if nans != [around(x) for x in given]:
            raise SystemExit(f"{name}: wrote beside its tensor")
        for x, was, got in zip((call.query, call.key), kept, found, strict=False):
            if got is not None and x is not None and was is not None:
                before = wanted[2]
                if entry is public and before:  # of heads of another size
                    before = x.shape[3] - 2 * wanted[0].shape[2]
                if not judge(was[: len(x)], got, call, wanted[0], wanted[1], before):
                    raise SystemExit(f"{name}: wrong numbers")
    print(f"{calls} calls of native entries under the sanitizers, seed {seed}: "
          + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))  # fmt: skip


def build(folder: Path) -> tuple[Path, dict[str, str]]:
    """The library with sanitizers, and the environment in which a process can load it."""
    compiler = os.environ.get("CC", "gcc")
    flags = "-g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
    runtime = subprocess.run(
        [*shlex.split(compiler), "-print-file-name=libasan.so"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    if not Path(runtime).is_absolute():
        raise SystemExit(
            f"{compiler} has no AddressSanitizer (libasan.so); set CC to a gcc with it"
        )
    made = folder / "librotate.so"
    command = (
        "from pathlib import Path; from phasor.kernels.cpu.build import build; "
        f"build(Path({str(made)!r}))"
    )
    environment = {**os.environ, "CC": f"{compiler} {flags}"}
    subprocess.run([sys.executable, "-c", command], env=environment, check=True)
    return made, {
        **os.environ,
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OMP_NUM_THREADS": "1",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.library:
        library._LIBRARY = options.library
        if why := cpu.why_missing():
            raise SystemExit(why)
        run(options.calls, options.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        made, environment = build(Path(folder))
        given = [f"--calls={options.calls}", f"--seed={options.seed}", f"--library={made}"]
        command = [sys.executable, "-m", "kernels.sanitized", *given]
        with Path(folder, "said").open("w+") as said:
            done = subprocess.run(command, env=environment, stderr=said, check=False)
            said.seek(0)
            lines = said.read().splitlines()
        if done.returncode or any("Sanitizer" in line or "runtime error" in line for line in lines):
            print("\n".join(lines[-60:]), file=sys.stderr)
            raise SystemExit(f"failed with {done.returncode}, at {lines[-1] if lines else ''}")


if __name__ == "__main__":
    main()

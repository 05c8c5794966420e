"""Calls that used to crash, each in a process of its own: `python -m kernels.crash_cases`.

Prints a line of JSON for each: its name, and what came of it.
"""

import json
import os
from collections.abc import Callable

import torch
from torch import Tensor

import phasor
import phasor.errors
from phasor.kernels.by_table import rotate_by_table

OPS = torch.ops.phasor
FREQUENCIES = phasor.geometric(64)
PLACES = torch.arange(512)[None, :, None]
HOW = (False, 0, 1, 1.0)
TABLE_HOW = (False, 0, 1, 0, 3, 0, 3)
ZEROS = torch._efficientzerotensor


def heads(batch: int = 1, seq: int = 512, head_dim: int = 64, **kind: torch.dtype) -> Tensor:
    return torch.randn(batch, 8, seq, head_dim, **kind)


def table(seq: int = 512) -> Tensor:
    return torch.randn(1, seq, 32)


def freed(x: Tensor) -> Tensor:
    x.untyped_storage().resize_(0)
    return x


def rotated(query: Tensor, key: Tensor | None = None, **how: bool) -> object:
    return phasor.rotate(query, key, torch.arange(query.shape[2]), FREQUENCIES, **how)


def by_operator(
    query: Tensor, key: Tensor, places: Tensor = PLACES, start: int = 0, inplace: bool = False
) -> None:
    call = OPS.rotate_ if inplace else OPS.rotate
    call(query, key, places, FREQUENCIES.turns, False, start, 1, 1.0)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "table, key of another batch": (
        lambda: rotate_by_table(heads(64), heads(), table(), table()),
        "query and key must agree in batch",
    ),
    "table on another device": (
        lambda: rotate_by_table(heads(), None, table().to("meta"), table().to("meta")),
        "must be on one device, got cpu and meta",
    ),
    "freed query": (lambda: rotated(freed(heads())), "but its storage has 0: it was freed"),
    "freed key": (lambda: rotated(heads(), freed(heads())), "but its storage has 0: it was freed"),
    "freed positions": (
        lambda: phasor.rotate(heads(), None, freed(torch.arange(512)), FREQUENCIES),
        "positions.*but its storage has 0: it was freed",
    ),
    "freed table": (
        lambda: rotate_by_table(heads(), None, table(), freed(table())),
        "sin.*but its storage has 0",
    ),
    "zeros in place": (
        lambda: rotated(ZEROS((1, 8, 512, 64)), inplace=True),
        r"without memory .* pass inplace=False, or query.clone\(\)",
    ),
    "operator, key of another batch": (
        lambda: by_operator(heads(64), heads()),
        "query and key must agree in batch",
    ),
    "operator in place, key of another batch": (
        lambda: by_operator(heads(64), heads(), inplace=True),
        "query and key must agree in batch",
    ),
    "operator, key of another head_dim": (
        lambda: by_operator(heads(), heads(head_dim=8)),
        "query and key must agree in batch, seq and head_dim",
    ),
    "operator, key of another dtype": (
        lambda: by_operator(heads(), heads().half()),
        "takes query and key of one dtype",
    ),
    "operator, fewer positions": (
        lambda: by_operator(heads(seq=51_200), heads(seq=51_200)),
        r"takes positions \[1 or 1, 51200, axes\]",
    ),
    "operator, positions of more sequences": (
        lambda: by_operator(heads(2), heads(2), PLACES.expand(50, -1, -1)),
        r"takes positions \[1 or 2, 512, axes\]",
    ),
    "operator, float positions for turns": (
        lambda: by_operator(heads(), heads(), PLACES.float()),
        r"multiplies turns \(int64\) by integer positions",
    ),
    "operator, start behind the head": (
        lambda: by_operator(heads(), heads(), start=500_000),
        "turns 64 channels from 500000 on, which head_dim 64 does not have",
    ),
    "operator, start before the head": (
        lambda: by_operator(heads(), heads(), start=-500_000),
        "turns 64 channels from -500000 on",
    ),
    "operator, more axes than positions": (
        lambda: OPS.rotate(heads(), heads(), PLACES, FREQUENCIES.turns.expand(100_000, -1), *HOW),
        r"takes positions \[1 or batch, seq, axes\] and frequencies \[axes, pairs\]",
    ),
    "operator, one head for all in place": (
        lambda: by_operator(
            torch.randn(1, 1, 512, 64).expand(1, 8, 512, 64), heads(), inplace=True
        ),
        "query has elements that share memory",
    ),
    "table operator, fewer rows": (
        lambda: OPS.rotate_by_table(
            heads(seq=51_200), heads(seq=51_200), table(), table(), *TABLE_HOW
        ),
        "a table must be cos and sin",
    ),
    "table operator, start": (
        lambda: OPS.rotate_by_table(
            heads(), heads(), table(), table(), False, 500_000, *TABLE_HOW[2:]
        ),
        "to turn from channel 500000 on",
    ),
    "table operator, road of angles": (
        lambda: OPS.rotate_by_table(
            heads(), heads(), table(), table(), False, 0, 1, 0, 0, 0, 3
        ),
        "knows the orders .* and the roads",
    ),
}  # fmt: skip


def _zero(found: Tensor) -> str:
    return "zeros" if not found.any() else "wrong"


def _same(found: Tensor, wanted: Tensor) -> str:
    return "the same" if torch.allclose(found, wanted, atol=1e-6) else "wrong"


def _windows() -> str:
    """Windows over one row of memory, whose own order of strides is not that of their result."""
    windows = torch.randn(700).as_strided((1, 2, 5, 600), (0, 20, 1, 1))
    found, _ = rotate_by_table(windows, None, cos := torch.randn(1, 5, 3), cos)
    wanted, _ = rotate_by_table(
        windows.clone(memory_format=torch.contiguous_format), None, cos, cos
    )
    return _same(found, wanted)


def _unequal() -> str:
    """Heads of unequal sizes are turned one by one."""
    query, key, cos = heads(), heads(head_dim=16), torch.randn(1, 512, 8)
    found, found_key = rotate_by_table(query, key, cos, cos)
    alone, _ = rotate_by_table(key, None, cos, cos)
    return _same(found_key, alone) if found.shape == query.shape else "wrong"


DONE: dict[str, tuple[Callable[[], str], str]] = {
    "zeros": (lambda: _zero(rotated(ZEROS((1, 8, 512, 64)))[0]), "zeros"),
    "zeros as a key": (lambda: _zero(rotated(heads(), ZEROS((1, 8, 512, 64)))[1]), "zeros"),
    "zeros as positions": (
        lambda: _same(
            phasor.rotate(x := heads(), None, ZEROS((512,)), FREQUENCIES)[0], x
        ),
        "the same",
    ),
    "zeros by a table": (
        lambda: _zero(rotate_by_table(ZEROS((1, 8, 512, 64)), None, table(), table())[0]),
        "zeros",
    ),
    "zeros as sines": (
        lambda: _same(
            rotate_by_table(x := heads(), None, torch.ones(1, 512, 32), ZEROS((1, 512, 32)))[0], x
        ),
        "the same",
    ),
    "windows by a table": (_windows, "the same"),
    "heads of unequal sizes by a table": (_unequal, "the same"),
}  # fmt: skip


def outcome(call: Callable[[], object]) -> str:
    """What a call says, or by which signal it ends, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            found = call()
            said = found if isinstance(found, str) else "returned"
        except phasor.errors.PhasorError as error:
            said = f"PhasorError: {error}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said[:3000].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return f"ended by signal {status}" if status else said


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, (call, _) in {**REFUSED, **DONE}.items():
        print(json.dumps([name, outcome(call)]), flush=True)

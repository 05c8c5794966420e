"""From the words of a command line to a plan."""

from collections.abc import Mapping
from typing import TypeVar

import torch

from phasor.bench.contender import FLOATS
from phasor.bench.peers import choose_peers
from phasor.bench.run import Plan
from phasor.bench.shapes import parse_shapes
from phasor.errors import ArgumentError, unknown_name
from phasor.rotary import Layout

Value = TypeVar("Value")

_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in FLOATS}
_LAYOUTS: dict[str, Layout] = {"half": "half", "interleaved": "interleaved"}


def make_plan(
    *,
    device: str,
    shapes: str,
    against: str,
    dtype: str,
    layout: str,
    threads: int,
    rounds: int,
    backward: bool,
) -> Plan:
    """The plan that the options of `phasor bench` describe.

    Args:
        device: `cpu` or `cuda`.
        shapes: See `parse_shapes`.
        against: See `choose_peers`.
        dtype: Names separated by commas.
        layout: Names separated by commas.
        threads: Of the CPU.
        rounds: How often each contender has its turn.
        backward: Measure the backward too.

    Returns:
        The plan.

    Raises:
        ArgumentError: A name that does not exist, or is there twice; see `Plan`.
    """
    return Plan(
        shapes=parse_shapes(shapes),
        dtypes=_choose("dtype", dtype, _DTYPES),
        layouts=_choose("layout", layout, _LAYOUTS),
        peers=choose_peers(against),
        device=torch.device(device),
        threads=threads,
        rounds=rounds,
        backward=backward,
    )


def _choose(what: str, text: str, known: Mapping[str, Value]) -> tuple[Value, ...]:
    names = [name.strip() for name in text.split(",")]
    for index, name in enumerate(names):
        if name not in known:
            raise unknown_name(f"unknown {what}", name, list(known))
        if name in names[:index]:
            raise ArgumentError(f"{what} {name} is there twice in {text!r}; name each once")
    return tuple(known[name] for name in names)

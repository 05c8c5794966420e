"""The options of `bench`, and the plan that they describe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, TypeVar

import torch

from phasor._bench.contender import FLOATS
from phasor._bench.peers import choose_peers
from phasor._bench.results import Case
from phasor._bench.run import Plan
from phasor._bench.shapes import parse_shapes
from phasor._options import Option, chosen_device, listed
from phasor.errors import ArgumentError, unknown_name
from phasor.rotary import Layout

Value = TypeVar("Value")

_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in FLOATS}
_LAYOUTS: dict[str, Layout] = {"half": "half", "interleaved": "interleaved"}


@dataclass(frozen=True)
class Options:
    """What `phasor.bench` takes, and `phasor bench`.

    `progress` is told of each case before it is measured; `None` shows that on the screen.
    """

    _: KW_ONLY
    device: Annotated[str, Option("auto, cpu or cuda.")] = "auto"
    shapes: Annotated[
        str | Sequence[str],
        Option(
            "A (prefill), B (training), C (decoding), or batch x heads x tokens x head_dim: "
            "2x16x1024x64, with fewer key heads 1x32+8x4096x128."
        ),
    ] = "A,B,C"
    against: Annotated[str | Sequence[str], Option("all, none, or names of libraries.")] = "all"
    dtype: Annotated[str | Sequence[str], Option("float32, bfloat16, float16, float64.")] = (
        "float32,bfloat16"
    )
    layout: Annotated[str | Sequence[str], Option("Which channels pair.")] = "half,interleaved"
    threads: Annotated[int, Option("Of the CPU. One is timed best.")] = 1
    rounds: Annotated[int, Option("How often each has its turn.")] = 5
    backward: Annotated[bool, Option("Time gradients too.")] = False
    progress: Callable[[Case], None] | None = None


def make_plan(options: Options) -> Plan:
    """The plan that `options` describe.

    Raises:
        ArgumentError: A name that does not exist, or is there twice; see `Plan`.
    """
    device = chosen_device(options.device)
    return Plan(
        shapes=parse_shapes(options.shapes),
        dtypes=_choose("dtype", options.dtype, _DTYPES),
        layouts=_choose("layout", options.layout, _LAYOUTS),
        peers=choose_peers(options.against),
        device=torch.device(device),
        threads=options.threads,
        rounds=options.rounds,
        backward=options.backward,
    )


def _choose(what: str, text: str | Sequence[str], known: Mapping[str, Value]) -> tuple[Value, ...]:
    names = listed(text)
    for index, name in enumerate(names):
        if name not in known:
            raise unknown_name(f"unknown {what}", name, list(known))
        if name in names[:index]:
            raise ArgumentError(f"{what} {name} is there twice in {text!r}; name each once")
    return tuple(known[name] for name in names)

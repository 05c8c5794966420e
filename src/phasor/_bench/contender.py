"""Who is measured: what is called, what it can do, and what its time leaves out."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec

import torch

from phasor._bench.workload import Direction, Pair, Storage, Workload
from phasor.rotary import Layout

Rotation = Callable[[torch.Tensor, torch.Tensor], Pair]

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
HALVES = (torch.bfloat16, torch.float16)
UP_TO_FLOAT32 = (torch.float32, *HALVES)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A way to rotate query and key.

    Args:
        name: In tables, and in `--against`.
        call: What is timed.
        excluded: What is done before, once for all layers, and not timed.
        prepare: From a workload to the function that is timed.
        seq_first: Whether that function takes `[batch, seq, heads, head_dim]`, instead of
            `[batch, heads, seq, head_dim]`.
        storages: Orders of memory that it takes. `phasor bench` gives it the first.
        mutates: Whether it overwrites its arguments.
        layouts: Which pairs it knows.
        devices: Where it runs.
        dtypes: What it takes.
        directions: Whether it has a backward.
        limit: Why it cannot take this workload for another reason; `None` if it can.
        module: Where it is imported from; empty for what needs no package.
        package: Its distribution.
        install: How to get it.
    """

    name: str
    call: str
    prepare: Callable[[Workload], Rotation]
    excluded: str = "nothing"
    seq_first: bool = False
    storages: tuple[Storage, ...] = ("tokens first", "heads first")
    mutates: bool = False
    layouts: tuple[Layout, ...] = ("half", "interleaved")
    devices: tuple[str, ...] = ("cpu", "cuda")
    dtypes: tuple[torch.dtype, ...] = FLOATS
    directions: tuple[Direction, ...] = ("forward", "backward")
    limit: Callable[[Workload], str | None] = lambda workload: None
    module: str = ""
    package: str = ""
    install: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether its package is there; found, not imported."""
        return not self.module or find_spec(self.module) is not None

    @property
    def version(self) -> str | None:
        """Of its package, if it needs one."""
        try:
            return version_of(self.package) if self.package else None
        except PackageNotFoundError:
            return None

    def why_not(self, workload: Workload, direction: Direction) -> str | None:
        """Why it cannot take this workload; `None` if it can. Layouts are another question."""
        if workload.device.type not in self.devices:
            return f"runs on {' and '.join(self.devices)} only"
        if workload.dtype not in self.dtypes:
            return f"does not take {str(workload.dtype).removeprefix('torch.')}"
        if direction not in self.directions:
            return f"has no {direction} here"
        return self.limit(workload)

"""One workload: what is rotated, by which positions, in which order the memory lies."""

import os
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from phasor._bench.shapes import Shape
from phasor.errors import ArgumentError
from phasor.rotary import Layout

# The constant of the geometric progression that all contenders have as their default.
BASE = 10_000.0

# How far apart the sequences of a decoding step are, and where they start again.
_DECODE_STRIDE, _DECODE_POSITIONS = 61, 4096

# Input, output, what in-place contenders overwrite, and what a float32 copy of bfloat16 takes.
_COPIES_IN_FLIGHT = 10

Direction = Literal["forward", "backward"]
# `[batch, seq, heads, head_dim]`, as a projection leaves it, or `[batch, heads, seq, head_dim]`.
Storage = Literal["tokens first", "heads first"]
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """What a contender has to rotate.

    Args:
        shape: Of query and key.
        dtype: Of query and key.
        device: Where they are.
        layout: Which channels form a pair.
    """

    shape: Shape
    dtype: torch.dtype
    device: torch.device
    layout: Layout

    @property
    def decodes(self) -> bool:
        """Whether each sequence is at a position of its own."""
        return self.shape.seq == 1

    @property
    def positions(self) -> Tensor:
        """`[seq]`, or `[batch, 1]` in a decoding step; int64."""
        if not self.decodes:
            return torch.arange(self.shape.seq, device=self.device)
        steps = torch.arange(self.shape.batch, device=self.device) * _DECODE_STRIDE
        return (steps % _DECODE_POSITIONS)[:, None]

    @property
    def num_positions(self) -> int:
        """Rows of a table that reaches every position."""
        return int(self.positions.max()) + 1

    @property
    def bytes(self) -> int:
        """What has to be read and written once: query and key, in and out."""
        return 2 * self.shape.elements * self.dtype.itemsize


def random_pair(workload: Workload) -> Pair:
    """Normal query and key, seen as `[batch, heads, seq, head_dim]`.

    Their memory is in the order `[batch, seq, heads, head_dim]`, as a projection leaves it.
    """
    generator = torch.Generator().manual_seed(0)
    made = []
    for batch, heads, seq, head_dim in (workload.shape.query, workload.shape.key):
        x = torch.randn((batch, seq, heads, head_dim), generator=generator)
        made.append(x.to(workload.device, workload.dtype).transpose(1, 2))
    return made[0], made[1]


def check_memory(workload: Workload) -> None:
    """Raise where query and key are too large for this machine.

    Raises:
        ArgumentError: They are.
    """
    needed = _COPIES_IN_FLIGHT * workload.bytes // 2
    if workload.device.type == "cuda":
        there = torch.cuda.get_device_properties(workload.device).total_memory
    elif hasattr(os, "sysconf"):
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    else:
        return
    if needed > there:
        raise ArgumentError(
            f"shape {workload.shape.name} needs about {needed / 2**30:.1f} GiB and there are "
            f"{there / 2**30:.1f}; take a smaller one"
        )

"""How the work is cut into programs, and how strides are handed over: by rule, not by trial."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# One vector access per thread and half row: 4 warps of 32 threads with 2 x 16 bytes each.
_BYTES_PER_THREAD = 32
_LARGEST_WARPS = 4
# Angles are formed once per program; below this many heads they cost more than their bytes.
_HEADS_TO_SHARE = 8
# Programs that one processor holds at a time, and how often each should be refilled.
_RESIDENT_PROGRAMS = 12
_WAVES = 4


@dataclass(frozen=True)
class Tile:
    """What one program does: `tokens` tokens of one of `groups` groups of heads."""

    tokens: int
    groups: int
    warps: int


def choose_tile(*, tokens: int, heads: int, row_bytes: int, processors: int) -> Tile:
    """The tile for `tokens` tokens of `heads` heads, query's and key's together.

    Args:
        tokens: Of all sequences together.
        heads: That share an angle.
        row_bytes: Of one head of one token, as far as it is touched.
        processors: Streaming multiprocessors of the device.

    Returns:
        Whole warps with one 16-byte access per thread and half row; fewer tokens per program, and
        more groups of heads, where there would be too few programs to fill the device.
    """
    warps = _LARGEST_WARPS
    rows = max(1, warps * 32 * _BYTES_PER_THREAD // row_bytes)
    while warps > 1 and -(-tokens // rows) < processors:
        warps //= 2
        rows = max(1, rows // 2)
    programs = -(-tokens // rows)
    wanted = -(-processors * _RESIDENT_PROGRAMS * _WAVES // max(programs, 1))
    groups = max(1, min(wanted, heads // _HEADS_TO_SHARE))
    return Tile(tokens=_power_of_two_at_most(rows), groups=groups, warps=warps)


def processors_of(device: torch.device) -> int:
    """Streaming multiprocessors of `device`; 1 for the interpreter."""
    if device.type != "cuda":
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count


def heads_per_step(heads: int) -> int:
    """Heads that a thread has in flight at once: two hide the latency without spilling."""
    return 2 if heads > 1 else 1


def strides(*tensors: Tensor) -> tuple[int, list[tuple[int, ...]]]:
    """All but the last stride of each tensor, in units of the power of two that divides them all.

    Triton tells whether an argument is a multiple of 16 and nothing finer. A head_dim of 40 or 72
    would lose its 16-byte accesses, did the kernel not multiply by this unit itself.
    """
    found = [
        tuple(0 if size == 1 else step for size, step in zip(x.shape, x.stride(), strict=True))[:-1]
        for x in tensors
    ]
    unit = math.gcd(16, *(step for steps in found for step in steps))
    return unit, [tuple(step // unit for step in steps) for steps in found]


def _power_of_two_at_most(value: int) -> int:
    return 1 << (value.bit_length() - 1)

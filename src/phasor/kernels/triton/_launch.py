"""How every kernel of the family is started: its tile, its grid, and what it shares with others."""

from typing import Any

import triton
from torch import Tensor

from phasor.kernels._turn import Turn
from phasor.kernels.triton.tile import Tile, choose_tile, processors_of, strides

Grid = tuple[int, int]
Steps = list[tuple[int, ...]]


def shared_arguments(
    tensors: tuple[Tensor, ...],
    positions: Tensor,
    frequencies: Tensor,
    turn: Turn,
    tile: Tile | None,
    *,
    touched: int | None = None,
    unturned_heads: int = 0,
    **heads: int,
) -> tuple[Grid, Steps, dict[str, Any]]:
    """The grid, the strides of `tensors`, and the arguments by name that all kernels have.

    Args:
        tensors: What is read and written head by head, `[batch, heads, seq, head_dim]`; the first
            one says the sizes.
        positions: `[batch or 1, seq, axes]`.
        frequencies: `[axes, pairs]`.
        turn: Which channels turn, and by what factor.
        tile: How to cut the work; by rule if `None`.
        touched: Channels of each head that are read or written; all of them if `None`.
        unturned_heads: Those that a program moves beside the others.
        heads: Of each stack that turns, by the name that the kernel has for their number:
            `QUERY_HEADS=8` gives the kernel `QUERY_GROUP` as well, those of one program.
    """
    batch, _, seq, head_dim = tensors[0].shape
    axes, pairs = frequencies.shape
    tile = tile or choose_tile(
        tokens=batch * seq,
        heads=sum(heads.values()) + unturned_heads,
        row_bytes=(touched or triton.next_power_of_2(head_dim)) * tensors[0].element_size(),
        processors=processors_of(tensors[0].device),
    )
    unit, steps = strides(*tensors)
    batch_step, *place_steps = positions.stride()
    groups = {
        name.replace("HEADS", "GROUP"): triton.cdiv(number, tile.groups)
        for name, number in heads.items()
    }
    shared = {
        "positions": positions,
        "frequencies": frequencies.contiguous(),
        "position_steps": (0 if positions.shape[0] == 1 else batch_step, *place_steps),
        "seq": seq,
        "tokens": batch * seq,
        "UNIT": unit,
        "HEAD_DIM": head_dim,
        "AXES": axes,
        "START": turn.start,
        "PAIRS": pairs,
        "BLOCK_PAIRS": triton.next_power_of_2(pairs),
        "BLOCK_TOKENS": tile.tokens,
        "INTERLEAVED": turn.interleaved,
        "GAIN": turn.gain,
        "num_warps": tile.warps,
        # A product and a difference, each rounded, as in the reference; fma only where written.
        "enable_fp_fusion": False,
    }
    grid = (triton.cdiv(batch * seq, tile.tokens), tile.groups)
    return grid, steps, {**shared, **heads, **groups}

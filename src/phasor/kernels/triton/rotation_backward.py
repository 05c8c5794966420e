# ruff: noqa: N803 - compile-time arguments are upper-case, as everywhere in Triton.
"""Backward of the rotation with learned frequencies: both gradients from one reading."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from phasor.kernels._turn import Turn
from phasor.kernels.triton._launch import shared_arguments
from phasor.kernels.triton.heads import (
    copy_channels,
    load_pairs,
    offsets,
    store_pairs,
)
from phasor.kernels.triton.phase import turn_of_tile
from phasor.kernels.triton.tile import Tile


def launch(
    grad_query: Tensor,
    grad_key: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    query_result: Tensor,
    key_result: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    turn: Turn,
    *,
    tile: Tile | None = None,
) -> Tensor:
    r"""Turn the gradients back, and return the gradient to the frequencies.

    With $y$ the rotated output and $g$ the gradient to it, each pair of each head adds
    $y_1 g_2 - y_2 g_1$ to the gradient to its angle, and that times the position to the gradient
    to its frequency. The input of the forward is not needed.

    Args:
        grad_query: To the rotated query, `[batch, num_heads, seq, head_dim]`.
        grad_key: To the rotated key, or `None`.
        query_out: The rotated query.
        key_out: The rotated key, or `None`.
        query_result: Gets the gradient to the query; `grad_query` itself to work in place.
        key_result: The same for the key.
        positions: `[batch or 1, seq, axes]`.
        frequencies: `[axes, pairs]`, as in the forward.
        turn: That of the forward.
        tile: How to cut the work; by rule if `None`.

    Returns:
        `[axes, pairs]`, float64, per radian per unit of position. Programs leave partial sums that
        are added up in a fixed order: the same bits each time.
    """
    batch, heads, seq, _ = grad_query.shape
    kv_heads = 0 if grad_key is None else grad_key.shape[1]
    axes, pairs = frequencies.shape
    device = grad_query.device
    if grad_key is None or key_out is None or key_result is None:
        grad_key, key_out, key_result = grad_query, query_out, query_result
    if batch * seq == 0 or heads + kv_heads == 0:
        return torch.zeros(axes, pairs, dtype=torch.float64, device=device)
    tensors = (grad_query, grad_key, query_out, key_out, query_result, key_result)
    grid, steps, shared = shared_arguments(
        tensors, positions, frequencies, turn, tile, QUERY_HEADS=heads, KEY_HEADS=kv_heads
    )
    partial = torch.empty(grid[0] * grid[1], axes, pairs, dtype=torch.float64, device=device)
    _rotation_backward[grid](
        tensors[0::2], tensors[1::2], partial, tuple(steps[0::2]), tuple(steps[1::2]),
        COPY_QUERY=query_result is not grad_query,
        COPY_KEY=key_result is not grad_key,
        DOUBLE=grad_query.element_size() == 8 or grad_key.element_size() == 8,
        SIGN=turn.sign,
        **shared,
    )  # fmt: skip
    return partial.sum(0)


@triton.jit(do_not_specialize=["seq", "tokens"])
def _rotation_backward(
    query,
    key,
    partial,
    query_steps,
    key_steps,
    positions,
    frequencies,
    position_steps,
    seq,
    tokens,
    UNIT: tl.constexpr,
    QUERY_HEADS: tl.constexpr,
    KEY_HEADS: tl.constexpr,
    QUERY_GROUP: tl.constexpr,
    KEY_GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    AXES: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    COPY_QUERY: tl.constexpr,
    COPY_KEY: tl.constexpr,
    DOUBLE: tl.constexpr,
    SIGN: tl.constexpr,
    GAIN: tl.constexpr,
):
    batch, place, inside, cos, sin = turn_of_tile(
        positions, frequencies, position_steps, seq, tokens,
        AXES, PAIRS, BLOCK_PAIRS, BLOCK_TOKENS, DOUBLE, GAIN, SIGN,
    )  # fmt: skip
    slope = tl.zeros((1, BLOCK_TOKENS, BLOCK_PAIRS), cos.dtype)
    slope = _turn_back_heads(
        query, query_steps, batch, place, inside, cos, sin, slope, UNIT, QUERY_HEADS, QUERY_GROUP,
        HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, COPY_QUERY,
    )  # fmt: skip
    if KEY_HEADS > 0:
        slope = _turn_back_heads(
            key, key_steps, batch, place, inside, cos, sin, slope, UNIT, KEY_HEADS, KEY_GROUP,
            HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, COPY_KEY,
        )  # fmt: skip
    # Positions make summands of very different size: float64, once per token and pair.
    slope = tl.reshape(slope, (BLOCK_TOKENS, BLOCK_PAIRS)).to(tl.float64) * SIGN
    pair = tl.arange(0, BLOCK_PAIRS)
    rows = batch * position_steps[0] + place * position_steps[1]
    program = tl.program_id(0).to(tl.int64) * tl.num_programs(1) + tl.program_id(1)
    for axis in tl.static_range(AXES):
        at = tl.load(positions + rows + axis * position_steps[2], inside, other=0).to(tl.float64)
        total = tl.sum(at[:, None] * slope, axis=0)
        tl.store(partial + (program * AXES + axis) * PAIRS + pair, total, pair < PAIRS)


@triton.jit
def _turn_back_heads(
    tensors,
    steps,
    batch,
    place,
    inside,
    cos,
    sin,
    slope,
    UNIT: tl.constexpr,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    COPY: tl.constexpr,
):
    """Turn back some heads; `slope` gains what they add to the gradient to the angle."""
    for step in tl.range(0, GROUP):
        head = tl.program_id(1) * GROUP + step + tl.arange(0, 1)
        mask = inside[None, :, None] & (head < HEADS)[:, None, None]
        rows = offsets(steps[0], batch, place, head, UNIT)
        kept_rows = offsets(steps[1], batch, place, head, UNIT)
        out_rows = offsets(steps[2], batch, place, head, UNIT)
        first, second = load_pairs(tensors[0], rows, mask, START, PAIRS, BLOCK_PAIRS, INTERLEAVED)
        kept_first, kept_second = load_pairs(
            tensors[1], kept_rows, mask, START, PAIRS, BLOCK_PAIRS, INTERLEAVED
        )
        first = first.to(cos.dtype)
        second = second.to(cos.dtype)
        slope += kept_first.to(cos.dtype) * second - kept_second.to(cos.dtype) * first
        store_pairs(
            tensors[2], out_rows, mask, first * cos + second * sin, second * cos - first * sin,
            START, PAIRS, BLOCK_PAIRS, INTERLEAVED,
        )  # fmt: skip
        if COPY:
            copy_channels(tensors[0], tensors[2], rows, out_rows, mask, 0, START)
            copy_channels(tensors[0], tensors[2], rows, out_rows, mask, START + 2 * PAIRS, HEAD_DIM)
    return slope

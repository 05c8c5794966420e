# ruff: noqa: N803, N806 - compile-time names are upper-case, as everywhere in Triton.
# pyrefly: ignore-errors
# What a compile-time condition defines is used under the same condition alone.
"""RMSNorm of each head of query and key, and the rotation, in one pass."""

import triton
import triton.language as tl
from torch import Tensor

from phasor.kernels._turn import Turn
from phasor.kernels.triton._launch import shared_arguments
from phasor.kernels.triton.heads import (
    load_channels,
    load_pairs,
    offsets,
    store_channels,
    store_pairs,
)
from phasor.kernels.triton.phase import turn_of_tile
from phasor.kernels.triton.tile import Tile


def launch(
    query: Tensor,
    key: Tensor | None,
    query_weight: Tensor,
    key_weight: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    query_rstd: Tensor | None,
    key_rstd: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    turn: Turn,
    *,
    eps: float,
    unit_offset: bool,
    tile: Tile | None = None,
) -> None:
    """Write the rotated, normalised query and key, and what their backward needs.

    Args:
        query: As in `rotation.launch`, with `key`, the outs, `positions`, `frequencies` and
            `tile`.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`.
        query_weight: `[head_dim]`, contiguous.
        key_weight: The same for the key.
        query_out: As `query`.
        key_out: As `key`.
        query_rstd: `[batch, num_heads, seq]`, contiguous: gets the reciprocal root mean squares,
            in float32, or float64 for float64; `None` if nothing is to be differentiated.
        key_rstd: The same for the key.
        positions: `[batch or 1, seq, axes]`.
        frequencies: `[axes, pairs]`.
        turn: Forward. The channels that do not turn are the ones before its start or the ones
            behind the pairs, not both.
        eps: Added to the mean of squares.
        unit_offset: Whether the weights are off by one: x (1 + w).
        tile: How to cut the work; by rule if `None`.
    """
    batch, heads, seq, _ = query.shape
    kv_heads = 0 if key is None else key.shape[1]
    if key is None or key_out is None or key_weight is None:
        key, key_out, key_weight = query, query_out, query_weight
    if batch * seq == 0 or heads + kv_heads == 0:
        return
    grid, steps, shared = shared_arguments(
        (query, key, query_out, key_out), positions, frequencies, turn, tile,
        QUERY_HEADS=heads, KEY_HEADS=kv_heads,
    )  # fmt: skip
    _norm_rotation[grid](
        query, key, query_weight, key_weight, query_out, key_out,
        query if query_rstd is None else query_rstd,
        key if key_rstd is None else key_rstd,
        *steps,
        DOUBLE=query.element_size() == 8 or key.element_size() == 8,
        EPS=eps,
        OFFSET=1.0 if unit_offset else 0.0,
        SAVE=query_rstd is not None,
        **shared,
    )  # fmt: skip


@triton.jit(do_not_specialize=["seq", "tokens"])
def _norm_rotation(
    query,
    key,
    query_weight,
    key_weight,
    query_out,
    key_out,
    query_rstd,
    key_rstd,
    query_steps,
    key_steps,
    query_out_steps,
    key_out_steps,
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
    DOUBLE: tl.constexpr,
    GAIN: tl.constexpr,
    EPS: tl.constexpr,
    OFFSET: tl.constexpr,
    SAVE: tl.constexpr,
):
    batch, place, inside, cos, sin = turn_of_tile(
        positions, frequencies, position_steps, seq, tokens,
        AXES, PAIRS, BLOCK_PAIRS, BLOCK_TOKENS, DOUBLE, GAIN, 1,
    )  # fmt: skip
    _norm_turn_heads(
        query, query_weight, query_out, query_rstd, query_steps, query_out_steps, seq,
        batch, place, inside, cos, sin, UNIT, QUERY_HEADS, QUERY_GROUP, HEAD_DIM, START, PAIRS,
        BLOCK_PAIRS, INTERLEAVED, EPS, OFFSET, SAVE,
    )  # fmt: skip
    if KEY_HEADS > 0:
        _norm_turn_heads(
            key, key_weight, key_out, key_rstd, key_steps, key_out_steps, seq,
            batch, place, inside, cos, sin, UNIT, KEY_HEADS, KEY_GROUP, HEAD_DIM, START, PAIRS,
            BLOCK_PAIRS, INTERLEAVED, EPS, OFFSET, SAVE,
        )  # fmt: skip


@triton.jit
def _norm_turn_heads(
    x,
    weight,
    out,
    rstd,
    steps,
    out_steps,
    seq,
    batch,
    place,
    inside,
    cos,
    sin,
    UNIT: tl.constexpr,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    EPS: tl.constexpr,
    OFFSET: tl.constexpr,
    SAVE: tl.constexpr,
):
    scales = load_weight(
        weight, cos.dtype, HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, OFFSET
    )
    for step in tl.range(0, GROUP):
        head = tl.program_id(1) * GROUP + step + tl.arange(0, 1)
        mask = inside[None, :, None] & (head < HEADS)[:, None, None]
        scale = norm_turn(
            x, out, offsets(steps, batch, place, head, UNIT),
            offsets(out_steps, batch, place, head, UNIT), mask, mask, scales, cos, sin,
            HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, EPS,
        )  # fmt: skip
        if SAVE:
            row = ((batch * HEADS)[None, :] + head[:, None]) * seq + place[None, :]
            tl.store(rstd + row[:, :, None], scale, mask)


@triton.jit
def load_weight(
    weight,
    dtype: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    OFFSET: tl.constexpr,
):
    """Weights of first, second and unturned channels, `[1, 1, channels]`, in `dtype`."""
    row = tl.zeros((1, 1, 1), tl.int32)
    first, second = load_pairs(weight, row, row == 0, START, PAIRS, BLOCK_PAIRS, INTERLEAVED)
    inside = tl.arange(0, BLOCK_PAIRS)[None, None, :] < PAIRS
    # 1 where there is no channel: the backward divides by it.
    first = tl.where(inside, first.to(dtype) + OFFSET, 1.0)
    second = tl.where(inside, second.to(dtype) + OFFSET, 1.0)
    if HEAD_DIM > 2 * PAIRS:
        STILL: tl.constexpr = HEAD_DIM - 2 * PAIRS
        AT: tl.constexpr = 0 if START > 0 else 2 * PAIRS
        still = load_channels(weight, row, row == 0, AT, STILL).to(dtype) + OFFSET
        inside = tl.arange(0, triton.next_power_of_2(STILL))[None, None, :] < STILL
        still = tl.where(inside, still, 1.0)
    else:
        still = first
    return first, second, still


@triton.jit
def norm_turn(
    x,
    out,
    rows,
    out_rows,
    mask,
    out_mask,
    scales,
    cos,
    sin,
    HEAD_DIM: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    EPS: tl.constexpr,
):
    """Normalise, scale and turn some heads of the tile; returns `[heads, tokens, 1]` of 1/rms."""
    STILL: tl.constexpr = HEAD_DIM - 2 * PAIRS
    AT: tl.constexpr = 0 if START > 0 else 2 * PAIRS
    first, second = load_pairs(x, rows, mask, START, PAIRS, BLOCK_PAIRS, INTERLEAVED)
    first = first.to(cos.dtype)
    second = second.to(cos.dtype)
    squares = tl.sum(first * first + second * second, axis=2, keep_dims=True)
    if STILL > 0:
        still = load_channels(x, rows, mask, AT, STILL).to(cos.dtype)
        squares += tl.sum(still * still, axis=2, keep_dims=True)
    scale = 1.0 / tl.sqrt(squares * (1.0 / HEAD_DIM) + EPS)
    first = first * scale * scales[0]
    second = second * scale * scales[1]
    store_pairs(
        out, out_rows, out_mask, first * cos - second * sin, second * cos + first * sin,
        START, PAIRS, BLOCK_PAIRS, INTERLEAVED,
    )  # fmt: skip
    if STILL > 0:
        store_channels(out, out_rows, out_mask, still * scale * scales[2], AT, STILL)
    return scale

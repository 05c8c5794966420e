# ruff: noqa: N803 - compile-time arguments are upper-case, as everywhere in Triton.
# pyrefly: ignore-errors
# What a compile-time condition defines is used under the same condition alone.
"""Rotation, after RMSNorm or not, that writes key and value straight into their cache."""

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
from phasor.kernels.triton.norm import load_weight, norm_turn
from phasor.kernels.triton.phase import turn_of_tile
from phasor.kernels.triton.tile import Tile


def launch(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor | None,
    key_weight: Tensor | None,
    query_out: Tensor,
    key_cache: Tensor,
    value_cache: Tensor,
    slots: Tensor,
    positions: Tensor,
    frequencies: Tensor,
    turn: Turn,
    *,
    block_size: int,
    eps: float,
    unit_offset: bool,
    tile: Tile | None = None,
) -> None:
    """Write the rotated query to `query_out`, the rotated key and the value to their caches.

    Args:
        query: `[batch, num_heads, seq, head_dim]`, any strides whose last one is 1; as are all.
        key: `[batch, num_kv_heads, seq, head_dim]`.
        value: `[batch, num_kv_heads, seq, value_dim]`.
        query_weight: `[head_dim]` of an RMSNorm before the rotation, or `None` for none.
        key_weight: The same for the key.
        query_out: As `query`; `query` itself to turn it in place.
        key_cache: `[batch, num_kv_heads, max_len, head_dim]`, or paged
            `[num_blocks, num_kv_heads, block_size, head_dim]`, of which a cache in another order
            is a view.
        value_cache: The same for the value.
        slots: `[batch, seq]` integers: the row of the sequence's cache, or if paged block times
            `block_size` plus row in the block. Those that the cache does not have are skipped.
        positions: `[batch or 1, seq, axes]`.
        frequencies: `[axes, pairs]`.
        turn: Forward.
        block_size: Rows of a block; 0 if the cache is not paged.
        eps: Of the norm.
        unit_offset: Whether the norm's weights are off by one.
        tile: How to cut the work; by rule if `None`.
    """
    batch, heads, seq, _ = query.shape
    kv_heads = key.shape[1]
    if batch * seq == 0:
        return
    grid, steps, shared = shared_arguments(
        (query, query_out, key, key_cache, value, value_cache), positions, frequencies, turn, tile,
        unturned_heads=kv_heads, QUERY_HEADS=heads, KEY_HEADS=kv_heads,
    )  # fmt: skip
    _rotation_into_cache[grid](
        (query, query_out), (key, key_cache), (value, value_cache),
        key if query_weight is None else query_weight,
        key if key_weight is None else key_weight,
        slots, tuple(steps[0:2]), tuple(steps[2:4]), tuple(steps[4:6]), slots.stride(),
        capacity=key_cache.shape[0] * block_size if block_size else key_cache.shape[2],
        VALUE_DIM=value.shape[-1],
        BLOCK_SIZE=block_size,
        NORM=query_weight is not None,
        COPY_QUERY=query_out is not query,
        DOUBLE=query.element_size() == 8,
        EPS=eps,
        OFFSET=1.0 if unit_offset else 0.0,
        **shared,
    )  # fmt: skip


@triton.jit(do_not_specialize=["seq", "tokens", "capacity"])
def _rotation_into_cache(
    query,
    key,
    value,
    query_weight,
    key_weight,
    slots,
    query_steps,
    key_steps,
    value_steps,
    slot_steps,
    positions,
    frequencies,
    position_steps,
    seq,
    tokens,
    capacity,
    UNIT: tl.constexpr,
    QUERY_HEADS: tl.constexpr,
    KEY_HEADS: tl.constexpr,
    QUERY_GROUP: tl.constexpr,
    KEY_GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    AXES: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    NORM: tl.constexpr,
    COPY_QUERY: tl.constexpr,
    DOUBLE: tl.constexpr,
    GAIN: tl.constexpr,
    EPS: tl.constexpr,
    OFFSET: tl.constexpr,
):
    batch, place, inside, cos, sin = turn_of_tile(
        positions, frequencies, position_steps, seq, tokens,
        AXES, PAIRS, BLOCK_PAIRS, BLOCK_TOKENS, DOUBLE, GAIN, 1,
    )  # fmt: skip
    slot = tl.load(slots + batch * slot_steps[0] + place * slot_steps[1], inside, other=-1)
    slot = slot.to(tl.int64)
    stored = (slot >= 0) & (slot < capacity)
    if BLOCK_SIZE > 0:
        page = slot // BLOCK_SIZE
        line = slot % BLOCK_SIZE
    else:
        page = batch
        line = slot
    _turn_heads_into(
        query, query_weight, query_steps, batch, place, inside, batch, place, inside, cos, sin,
        UNIT, QUERY_HEADS, QUERY_GROUP, HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, NORM,
        COPY_QUERY, EPS, OFFSET,
    )  # fmt: skip
    _turn_heads_into(
        key, key_weight, key_steps, batch, place, inside, page, line, stored, cos, sin,
        UNIT, KEY_HEADS, KEY_GROUP, HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, NORM,
        True, EPS, OFFSET,
    )  # fmt: skip
    for step in tl.range(0, KEY_GROUP):
        head = tl.program_id(1) * KEY_GROUP + step + tl.arange(0, 1)
        copy_channels(
            value[0], value[1], offsets(value_steps[0], batch, place, head, UNIT),
            offsets(value_steps[1], page, line, head, UNIT),
            stored[None, :, None] & (head < KEY_HEADS)[:, None, None], 0, VALUE_DIM,
        )  # fmt: skip


@triton.jit
def _turn_heads_into(
    tensors,
    weight,
    steps,
    batch,
    place,
    inside,
    page,
    line,
    stored,
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
    NORM: tl.constexpr,
    COPY: tl.constexpr,
    EPS: tl.constexpr,
    OFFSET: tl.constexpr,
):
    """Turn the heads of tokens (batch, place) and write them to (page, line) where `stored`."""
    if NORM:
        scales = load_weight(
            weight, cos.dtype, HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, OFFSET
        )
    for step in tl.range(0, GROUP):
        head = tl.program_id(1) * GROUP + step + tl.arange(0, 1)
        known = (head < HEADS)[:, None, None]
        mask = inside[None, :, None] & known
        out_mask = stored[None, :, None] & known
        rows = offsets(steps[0], batch, place, head, UNIT)
        out_rows = offsets(steps[1], page, line, head, UNIT)
        if NORM:
            norm_turn(
                tensors[0], tensors[1], rows, out_rows, mask, out_mask, scales, cos, sin,
                HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, EPS,
            )  # fmt: skip
        else:
            first, second = load_pairs(
                tensors[0], rows, mask, START, PAIRS, BLOCK_PAIRS, INTERLEAVED
            )
            first = first.to(cos.dtype)
            second = second.to(cos.dtype)
            store_pairs(
                tensors[1], out_rows, out_mask, first * cos - second * sin,
                second * cos + first * sin, START, PAIRS, BLOCK_PAIRS, INTERLEAVED,
            )  # fmt: skip
            if COPY:
                copy_channels(tensors[0], tensors[1], rows, out_rows, out_mask, 0, START)
                copy_channels(
                    tensors[0], tensors[1], rows, out_rows, out_mask, START + 2 * PAIRS, HEAD_DIM
                )

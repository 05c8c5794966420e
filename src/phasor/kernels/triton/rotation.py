# ruff: noqa: N803 - compile-time arguments are upper-case, as everywhere in Triton.
"""The rotation: query and key in one launch, forward and inverse, in place or not."""

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
from phasor.kernels.triton.tile import Tile, heads_per_step


def launch(
    query: Tensor,
    key: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    turn: Turn,
    *,
    tile: Tile | None = None,
) -> None:
    r"""Write $g\,R(\pm\theta)\,x$ of query and key into `query_out` and `key_out`.

    Args:
        query: `[batch, num_heads, seq, head_dim]`, any strides whose last one is 1.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`.
        query_out: As `query`, with strides of its own; `query` itself to turn it in place.
        key_out: As `key`.
        positions: `[batch or 1, seq, axes]`, any strides.
        frequencies: `[axes, pairs]`, on the same device. Their dtype says how angles are formed:
            int64 for fixed-point turns, float64 for radians, float32 for what transformers does.
        turn: How. Channels that do not turn are copied, or not touched in place.
        tile: How to cut the work; by rule if `None`.
    """
    batch, heads, seq, head_dim = query.shape
    kv_heads = 0 if key is None else key.shape[1]
    if key is None or key_out is None:
        key, key_out = query, query_out
    if batch * seq == 0 or heads + kv_heads == 0:
        return
    pairs = frequencies.shape[1]
    in_place = query_out is query and key_out is key
    still = 0 if in_place else max(turn.start, head_dim - turn.start - 2 * pairs)
    grid, steps, shared = shared_arguments(
        (query, key, query_out, key_out), positions, frequencies, turn, tile,
        touched=max(2 * triton.next_power_of_2(pairs), triton.next_power_of_2(still)),
        QUERY_HEADS=heads, KEY_HEADS=kv_heads,
    )  # fmt: skip
    _rotation[grid](
        query, key, query_out, key_out, *steps,
        QUERY_STEP=heads_per_step(heads),
        KEY_STEP=heads_per_step(kv_heads),
        COPY_QUERY=query_out is not query,
        COPY_KEY=key_out is not key,
        DOUBLE=query.element_size() == 8 or key.element_size() == 8,
        SIGN=turn.sign,
        **shared,
    )  # fmt: skip


@triton.jit(do_not_specialize=["seq", "tokens"])
def _rotation(
    query,
    key,
    query_out,
    key_out,
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
    QUERY_STEP: tl.constexpr,
    KEY_STEP: tl.constexpr,
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
    _turn_heads(
        query, query_out, query_steps, query_out_steps, batch, place, inside, cos, sin,
        UNIT, QUERY_HEADS, QUERY_GROUP, QUERY_STEP, HEAD_DIM, START, PAIRS, BLOCK_PAIRS,
        INTERLEAVED, COPY_QUERY,
    )  # fmt: skip
    if KEY_HEADS > 0:
        _turn_heads(
            key, key_out, key_steps, key_out_steps, batch, place, inside, cos, sin,
            UNIT, KEY_HEADS, KEY_GROUP, KEY_STEP, HEAD_DIM, START, PAIRS, BLOCK_PAIRS,
            INTERLEAVED, COPY_KEY,
        )  # fmt: skip


@triton.jit
def _turn_heads(
    x,
    out,
    steps,
    out_steps,
    batch,
    place,
    inside,
    cos,
    sin,
    UNIT: tl.constexpr,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    STEP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    COPY: tl.constexpr,
):
    first_head = tl.program_id(1) * GROUP
    for step in tl.range(0, GROUP, STEP):
        within = step + tl.arange(0, STEP)
        head = first_head + within
        mask = inside[None, :, None] & ((within < GROUP) & (head < HEADS))[:, None, None]
        rows = offsets(steps, batch, place, head, UNIT)
        out_rows = offsets(out_steps, batch, place, head, UNIT)
        first, second = load_pairs(x, rows, mask, START, PAIRS, BLOCK_PAIRS, INTERLEAVED)
        first = first.to(cos.dtype)
        second = second.to(cos.dtype)
        store_pairs(
            out, out_rows, mask, first * cos - second * sin, second * cos + first * sin,
            START, PAIRS, BLOCK_PAIRS, INTERLEAVED,
        )  # fmt: skip
        if COPY:
            copy_channels(x, out, rows, out_rows, mask, 0, START)
            copy_channels(x, out, rows, out_rows, mask, START + 2 * PAIRS, HEAD_DIM)

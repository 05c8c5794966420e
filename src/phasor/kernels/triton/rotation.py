# ruff: noqa: N803 - compile-time arguments are upper-case, as everywhere in Triton.
"""The rotation: query and key in one launch, forward and inverse, in place or not."""

import triton
import triton.language as tl
from torch import Tensor

from phasor.kernels.triton.heads import (
    copy_channels,
    load_pairs,
    offsets,
    store_pairs,
    token_rows,
)
from phasor.kernels.triton.phase import cos_sin
from phasor.kernels.triton.tile import (
    Tile,
    choose_tile,
    heads_per_step,
    processors_of,
    strides,
)


def launch(
    query: Tensor,
    key: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    *,
    interleaved: bool,
    start: int,
    sign: int,
    gain: float,
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
        interleaved: Whether channels 2i and 2i + 1 form a pair, instead of i and i + pairs.
        start: First channel that turns. Channels that do not are copied, or not touched in place.
        sign: 1 to turn, -1 to turn back.
        gain: Factor on the channels that turn.
        tile: How to cut the work; by rule if `None`.
    """
    batch, heads, seq, head_dim = query.shape
    kv_heads = 0 if key is None else key.shape[1]
    if key is None or key_out is None:
        key, key_out = query, query_out
    if batch * seq == 0 or heads + kv_heads == 0:
        return
    axes, pairs = frequencies.shape
    block_pairs = triton.next_power_of_2(pairs)
    in_place = query_out is query and key_out is key
    still = 0 if in_place else max(start, head_dim - start - 2 * pairs)
    width = max(2 * block_pairs, triton.next_power_of_2(still))
    tile = tile or choose_tile(
        tokens=batch * seq,
        heads=heads + kv_heads,
        row_bytes=width * query.element_size(),
        processors=processors_of(query.device),
    )
    unit, (query_steps, key_steps, query_out_steps, key_out_steps) = strides(
        query, key, query_out, key_out
    )
    batch_step, *place_steps = positions.stride()
    _rotation[triton.cdiv(batch * seq, tile.tokens), tile.groups](
        query,
        key,
        query_out,
        key_out,
        positions,
        frequencies.contiguous(),
        query_steps,
        key_steps,
        query_out_steps,
        key_out_steps,
        (0 if positions.shape[0] == 1 else batch_step, *place_steps),
        seq,
        batch * seq,
        UNIT=unit,
        QUERY_HEADS=heads,
        KEY_HEADS=kv_heads,
        QUERY_GROUP=triton.cdiv(heads, tile.groups),
        KEY_GROUP=triton.cdiv(kv_heads, tile.groups),
        HEAD_DIM=head_dim,
        AXES=axes,
        START=start,
        PAIRS=pairs,
        BLOCK_PAIRS=block_pairs,
        BLOCK_TOKENS=tile.tokens,
        QUERY_STEP=heads_per_step(heads),
        KEY_STEP=heads_per_step(kv_heads),
        INTERLEAVED=interleaved,
        COPY_QUERY=query_out is not query,
        COPY_KEY=key_out is not key,
        DOUBLE=query.element_size() == 8 or key.element_size() == 8,
        SIGN=sign,
        GAIN=gain,
        num_warps=tile.warps,
        # A product and a difference, each rounded, as in the reference; fma only where written.
        enable_fp_fusion=False,
    )


@triton.jit(do_not_specialize=["seq", "tokens"])
def _rotation(
    query,
    key,
    query_out,
    key_out,
    positions,
    frequencies,
    query_steps,
    key_steps,
    query_out_steps,
    key_out_steps,
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
    batch, place, inside = token_rows(seq, tokens, BLOCK_TOKENS)
    pair = tl.arange(0, BLOCK_PAIRS)
    rows = batch * position_steps[0] + place * position_steps[1]
    cos, sin = cos_sin(
        positions, frequencies, rows, position_steps[2], pair, inside, pair < PAIRS,
        AXES, PAIRS, DOUBLE,
    )  # fmt: skip
    cos = (cos * GAIN)[None, :, :]
    sin = (sin * (SIGN * GAIN))[None, :, :]
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

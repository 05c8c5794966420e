# ruff: noqa: N803, N806 - compile-time names are upper-case, as everywhere in Triton.
# pyrefly: ignore-errors
# What a compile-time condition defines is used under the same condition alone.
"""Backward of RMSNorm and rotation, from the input or from the rotated output alone."""

import torch
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
from phasor.kernels.triton.norm import load_weight
from phasor.kernels.triton.phase import turn_of_tile
from phasor.kernels.triton.tile import Tile


def launch(
    grad: Tensor,
    saved: Tensor,
    weight: Tensor,
    rstd: Tensor,
    grad_out: Tensor,
    positions: Tensor,
    frequencies: Tensor,
    turn: Turn,
    *,
    from_output: bool,
    unit_offset: bool,
    tile: Tile | None = None,
) -> Tensor:
    """Write the gradient to the input into `grad_out`; return that to the weight.

    Query and key take a launch each: the two have gradients of different origin and layout, and
    weights of their own, and a backward pass is long enough for two launches to be free.

    Args:
        grad: To the rotated output, `[batch, heads, seq, head_dim]`.
        saved: The input, or with `from_output` the rotated output.
        weight: `[head_dim]`.
        rstd: `[batch, heads, seq]`, as the forward left them.
        grad_out: As `saved`; `grad` itself to work in place.
        positions: As in the forward, with `frequencies` and the rest.
        frequencies: `[axes, pairs]`.
        turn: That of the forward.
        from_output: Rebuild the normalised input by turning the output back and dividing by the
            weight, none of which may be small then.
        unit_offset: Whether the weights are off by one.
        tile: How to cut the work; by rule if `None`.

    Returns:
        `[head_dim]`, in the dtype of `rstd`. Programs leave partial sums that are added up in a
        fixed order: the same bits each time.
    """
    batch, heads, seq, head_dim = grad.shape
    if batch * seq == 0 or heads == 0:
        return torch.zeros(head_dim, dtype=rstd.dtype, device=grad.device)
    grid, steps, shared = shared_arguments(
        (grad, saved, grad_out), positions, frequencies, turn, tile, HEADS=heads
    )
    partial = torch.empty(grid[0] * grid[1], head_dim, dtype=rstd.dtype, device=grad.device)
    _norm_backward[grid](
        grad, saved, weight, rstd, grad_out, partial, *steps,
        DOUBLE=rstd.element_size() == 8,
        OFFSET=1.0 if unit_offset else 0.0,
        FROM_OUTPUT=from_output,
        **shared,
    )  # fmt: skip
    return partial.sum(0)


@triton.jit(do_not_specialize=["seq", "tokens"])
def _norm_backward(
    grad,
    saved,
    weight,
    rstd,
    out,
    partial,
    grad_steps,
    saved_steps,
    out_steps,
    positions,
    frequencies,
    position_steps,
    seq,
    tokens,
    UNIT: tl.constexpr,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    AXES: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    DOUBLE: tl.constexpr,
    GAIN: tl.constexpr,
    OFFSET: tl.constexpr,
    FROM_OUTPUT: tl.constexpr,
):
    STILL: tl.constexpr = HEAD_DIM - 2 * PAIRS
    AT: tl.constexpr = 0 if START > 0 else 2 * PAIRS
    batch, place, inside, cos, sin = turn_of_tile(
        positions, frequencies, position_steps, seq, tokens,
        AXES, PAIRS, BLOCK_PAIRS, BLOCK_TOKENS, DOUBLE, 1.0, 1,
    )  # fmt: skip
    w_first, w_second, w_still = load_weight(
        weight, cos.dtype, HEAD_DIM, START, PAIRS, BLOCK_PAIRS, INTERLEAVED, OFFSET
    )
    sum_first = tl.zeros((1, BLOCK_TOKENS, BLOCK_PAIRS), cos.dtype)
    sum_second = tl.zeros((1, BLOCK_TOKENS, BLOCK_PAIRS), cos.dtype)
    if STILL > 0:
        sum_still = tl.zeros((1, BLOCK_TOKENS, triton.next_power_of_2(STILL)), cos.dtype)
    for step in tl.range(0, GROUP):
        head = tl.program_id(1) * GROUP + step + tl.arange(0, 1)
        mask = inside[None, :, None] & (head < HEADS)[:, None, None]
        grad_rows = offsets(grad_steps, batch, place, head, UNIT)
        saved_rows = offsets(saved_steps, batch, place, head, UNIT)
        out_rows = offsets(out_steps, batch, place, head, UNIT)
        row = ((batch * HEADS)[None, :] + head[:, None]) * seq + place[None, :]
        scale = tl.load(rstd + row[:, :, None], mask, other=0)

        d_first, d_second = _turned_back(
            grad, grad_rows, mask, cos, sin, GAIN, START, PAIRS, BLOCK_PAIRS, INTERLEAVED
        )
        if FROM_OUTPUT:
            first, second = _turned_back(
                saved, saved_rows, mask, cos, sin, 1.0 / GAIN,
                START, PAIRS, BLOCK_PAIRS, INTERLEAVED,
            )  # fmt: skip
            first = first / w_first
            second = second / w_second
        else:
            first, second = load_pairs(
                saved, saved_rows, mask, START, PAIRS, BLOCK_PAIRS, INTERLEAVED
            )
            first = first.to(cos.dtype) * scale
            second = second.to(cos.dtype) * scale
        sum_first += d_first * first
        sum_second += d_second * second
        d_first = d_first * w_first
        d_second = d_second * w_second
        along = tl.sum(d_first * first + d_second * second, axis=2, keep_dims=True)
        if STILL > 0:
            d_still = load_channels(grad, grad_rows, mask, AT, STILL).to(cos.dtype)
            still = load_channels(saved, saved_rows, mask, AT, STILL).to(cos.dtype)
            still = still / w_still if FROM_OUTPUT else still * scale
            sum_still += d_still * still
            d_still = d_still * w_still
            along += tl.sum(d_still * still, axis=2, keep_dims=True)
        along = along * (1.0 / HEAD_DIM)
        store_pairs(
            out, out_rows, mask, (d_first - first * along) * scale,
            (d_second - second * along) * scale, START, PAIRS, BLOCK_PAIRS, INTERLEAVED,
        )  # fmt: skip
        if STILL > 0:
            store_channels(out, out_rows, mask, (d_still - still * along) * scale, AT, STILL)

    program = tl.program_id(0).to(tl.int64) * tl.num_programs(1) + tl.program_id(1)
    sums = tl.zeros((1, 1, 1), tl.int64) + program * HEAD_DIM
    store_pairs(
        partial, sums, sums >= 0, tl.sum(sum_first, axis=1, keep_dims=True),
        tl.sum(sum_second, axis=1, keep_dims=True), START, PAIRS, BLOCK_PAIRS, INTERLEAVED,
    )  # fmt: skip
    if STILL > 0:
        total = tl.sum(sum_still, axis=1, keep_dims=True)
        store_channels(partial, sums, sums >= 0, total, AT, STILL)


@triton.jit
def _turned_back(
    x,
    rows,
    mask,
    cos,
    sin,
    FACTOR: tl.constexpr,
    START: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    INTERLEAVED: tl.constexpr,
):
    first, second = load_pairs(x, rows, mask, START, PAIRS, BLOCK_PAIRS, INTERLEAVED)
    first = first.to(cos.dtype) * FACTOR
    second = second.to(cos.dtype) * FACTOR
    return first * cos + second * sin, second * cos - first * sin

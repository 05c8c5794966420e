# ruff: noqa: N803 - compile-time arguments are upper-case, as everywhere in Triton.
"""Cosines and sines inside a kernel: once per token and pair, whatever the number of heads."""

import triton
import triton.language as tl

from phasor.kernels.triton.heads import token_rows

# Radians per unit of a 64-bit fraction of a turn, radians per quarter turn, and its inverse.
_RADIANS_PER_FRACTION = tl.constexpr(3.4061215800865545e-19)
_QUARTER = tl.constexpr(1.5707963267948966)
_QUARTERS_PER_RADIAN = tl.constexpr(0.6366197723675814)

# Minimax on an eighth of a turn either side, errors 1.8e-9 and 1.0e-10 before rounding:
# sin x = x + x^3 S(x^2), cos x = 1 - x^2/2 + x^4 C(x^2).
_S0 = tl.constexpr(-0.16666650669295072)
_S1 = tl.constexpr(0.008331978663254585)
_S2 = tl.constexpr(-0.00019495636250049992)
_C0 = tl.constexpr(0.04166664686644257)
_C1 = tl.constexpr(-0.0013887367515807072)
_C2 = tl.constexpr(2.443845160362674e-05)


@triton.jit
def cos_sin(
    positions,
    frequencies,
    rows,
    stride_axis,
    pair,
    tokens_inside,
    pairs_inside,
    AXES: tl.constexpr,
    PAIRS: tl.constexpr,
    DOUBLE: tl.constexpr,
):
    """Cosine and sine `[tokens, pairs]` of the angle of each token and pair.

    The dtype of `frequencies [AXES, PAIRS]` says how the angle is formed: int64 are fixed-point
    turns, whose wrapping product is exact; float64 are radians, multiplied in float64; float32
    are radians, multiplied and added in float32 as transformers does. Every road then drops whole
    quarter turns without loss and leaves an eighth of a turn at most, so that float32 is enough
    for what follows at any position, and no slow road for large arguments is needed.
    """
    road: tl.constexpr = frequencies.dtype.element_ty
    phase = tl.zeros((rows.shape[0], pair.shape[0]), road)
    for axis in tl.static_range(AXES):
        place = tl.load(positions + rows + axis * stride_axis, tokens_inside, other=0).to(road)
        frequency = tl.load(frequencies + axis * PAIRS + pair, pairs_inside, other=0)
        phase += place[:, None] * frequency[None, :]
    if road == tl.int64:
        # An arithmetic shift of the rounded phase: -2 ... 1, the nearest quarter turn.
        quarter = (phase + (1 << 61)) >> 62
        rest = phase - (quarter << 62)
        quarter = quarter.to(tl.int32)
        angle = rest.to(tl.float64 if DOUBLE else tl.float32) * _RADIANS_PER_FRACTION
    elif DOUBLE:
        quarter = tl.zeros(phase.shape, tl.int32)
        angle = phase.to(tl.float64)
    else:
        quarters = phase.to(tl.float64) * _QUARTERS_PER_RADIAN
        whole = tl.floor(quarters + 0.5)
        angle = ((quarters - whole) * _QUARTER).to(tl.float32)
        quarter = (whole - 4.0 * tl.floor(whole * 0.25)).to(tl.int32)
    if DOUBLE:
        cos = tl.cos(angle)
        sin = tl.sin(angle)
    else:
        square = angle * angle
        tail = tl.fma(tl.fma(square, _S2, _S1), square, _S0)
        sin = tl.fma(tail * square, angle, angle)
        tail = tl.fma(tl.fma(square, _C2, _C1), square, _C0)
        cos = tl.fma(tl.fma(tail, square, -0.5), square, 1.0)
    swap = (quarter & 1) != 0
    turned_cos = tl.where(swap, sin, cos)
    turned_sin = tl.where(swap, cos, sin)
    turned_cos = tl.where(((quarter + 1) & 2) != 0, -turned_cos, turned_cos)
    turned_sin = tl.where((quarter & 2) != 0, -turned_sin, turned_sin)
    return turned_cos, turned_sin


@triton.jit
def turn_of_tile(
    positions,
    frequencies,
    position_steps,
    seq,
    tokens,
    AXES: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK_PAIRS: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    DOUBLE: tl.constexpr,
    GAIN: tl.constexpr,
    SIGN: tl.constexpr,
):
    """Where the program's tokens are, see `token_rows`, and cosines and sines `[1, tokens, pairs]`.

    Cosines are times `GAIN`, sines times `SIGN * GAIN`.
    """
    batch, place, inside = token_rows(seq, tokens, BLOCK_TOKENS)
    pair = tl.arange(0, BLOCK_PAIRS)
    rows = batch * position_steps[0] + place * position_steps[1]
    cos, sin = cos_sin(
        positions, frequencies, rows, position_steps[2], pair, inside, pair < PAIRS,
        AXES, PAIRS, DOUBLE,
    )  # fmt: skip
    return batch, place, inside, (cos * GAIN)[None, :, :], (sin * (SIGN * GAIN))[None, :, :]

"""Angles from positions, exact at any position."""

import math
from typing import Literal

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.positions import check_positions
from phasor.rotary.frequencies import Frequencies

Precision = Literal["exact", "float32"]
PRECISIONS: tuple[Precision, ...] = ("exact", "float32")

_RADIANS_PER_FRACTION = 2 * math.pi / 2**64


def cos_sin(
    positions: Tensor,
    frequencies: Frequencies,
    *,
    precision: Precision = "exact",
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    r"""Cosine and sine of every pair's angle at every position.

    Integer positions are multiplied by the frequencies in fixed point, where whole turns drop out
    by themselves; the rest is at most half a turn and its cosine is exact to the rounding of
    `dtype`. Float positions are multiplied in float64.

    Args:
        positions: Integers or floats, `[...]` for one axis or `[..., axes]` for several.
        frequencies: What each pair turns per unit of position.
        precision: `"exact"`, or `"float32"` for the product of float32 position and float32
            frequency that transformers and most checkpoints were trained with, whose error grows
            with the position.
        dtype: Of the result: float32 or float64. Tables in half precision are refused: they err
            by 2e-3 at every position.

    Returns:
        `cos` and `sin`, each `[..., pairs]`, times `frequencies.attention_scale`, in `dtype`, on
        the device of `positions`.

    Raises:
        ArgumentError: Unknown `precision`, unsuitable `dtype`, or positions of a wrong shape.

    Examples:
        >>> cos, sin = phasor.cos_sin(torch.arange(3), phasor.geometric(4, base=100.0))
        >>> cos.shape
        torch.Size([3, 2])
    """
    check_precision(precision)
    if dtype not in (torch.float32, torch.float64):
        raise ArgumentError(
            f"cos and sin come in float32 or float64, got dtype={dtype}; keep the tables in "
            "float32 and let the rotation round its result once"
        )
    check_positions(positions, axes=frequencies.axes, owner="cos_sin")
    angle = angles(positions, frequencies, precision)
    cos, sin = angle.cos(), angle.sin()
    if frequencies.attention_scale != 1.0:
        cos, sin = cos * frequencies.attention_scale, sin * frequencies.attention_scale
    return cos.to(dtype), sin.to(dtype)


def table_dtype(activation_dtype: torch.dtype) -> torch.dtype:
    """float64 for float64 activations, else float32: half-precision tables err everywhere."""
    return torch.float64 if activation_dtype == torch.float64 else torch.float32


def check_precision(precision: str) -> None:
    """Raise unless `precision` is one of the two that exist."""
    if precision not in PRECISIONS:
        raise ArgumentError(f"precision must be one of {list(PRECISIONS)}, got {precision!r}")


def angles(positions: Tensor, frequencies: Frequencies, precision: Precision = "exact") -> Tensor:
    """Angles in radians, up to whole turns: `[..., pairs]`, float64, or float32 where asked for."""
    if frequencies.axes == 1:
        positions = positions.unsqueeze(-1)
    return angles_of(positions, frequencies.operand(positions, precision))


def angles_of(positions: Tensor, operand: Tensor) -> Tensor:
    """Angles in radians of positions `[..., axes]`; how they are formed is in a dtype.

    Args:
        positions: `[..., axes]`.
        operand: `[axes, pairs]`: int64 turns as in `Frequencies.turns`, for integer positions;
            float64 radians; or float32 radians, for an angle that float32 has rounded.

    Returns:
        `[..., pairs]`, up to whole turns, in float64 or (float32 radians) float32.
    """
    positions = positions.unsqueeze(-1)
    # A product and a sum, never a matmul: TF32 and autocast round the operands of a matmul.
    if operand.is_floating_point():
        return (positions.to(operand.dtype) * operand).sum(-2)
    fraction = (positions.long() * operand).sum(-2)
    return fraction.double() * _RADIANS_PER_FRACTION

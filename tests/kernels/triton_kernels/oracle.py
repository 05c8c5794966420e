"""The rotation as a complex product in float64, pair by pair, and angles in Python's integers."""

import math

import torch
from torch import Tensor


def angles(positions: Tensor, frequencies: Tensor) -> Tensor:
    """Float64 `[batch, seq, pairs]`, from `[batch, seq, axes]` and `[axes, pairs]`."""
    positions, frequencies = positions.cpu(), frequencies.cpu()
    if frequencies.dtype == torch.int64:
        return torch.tensor(
            [
                [
                    [
                        sum(p * f for p, f in zip(place, pair, strict=True)) % 2**64 / 2**64
                        for pair in frequencies.T.tolist()
                    ]
                    for place in row
                ]
                for row in positions.tolist()
            ],
            dtype=torch.float64,
        ).reshape(*positions.shape[:2], -1) * (2 * math.pi)
    wide = positions.to(frequencies.dtype)[..., None] * frequencies
    total = wide[..., 0, :]
    for axis in range(1, wide.shape[-2]):
        total = total + wide[..., axis, :]
    return total.double()


def channels(layout: str, start: int, pairs: int) -> tuple[Tensor, Tensor]:
    """Indices of the first and the second channel of each pair."""
    pair = torch.arange(pairs)
    if layout == "half":
        return start + pair, start + pairs + pair
    return start + 2 * pair, start + 2 * pair + 1


def turned(
    x: Tensor, angle: Tensor, *, layout: str, start: int, sign: int = 1, gain: float = 1.0
) -> Tensor:
    """Float64 on the CPU, differentiable; `x` is `[batch, heads, seq, head_dim]`."""
    result = x.cpu().double().clone()
    first, second = channels(layout, start, angle.shape[-1])
    phasor = torch.polar(torch.full_like(angle, gain), sign * angle).unsqueeze(1)
    product = torch.complex(result[..., first], result[..., second]) * phasor
    result[..., first], result[..., second] = product.real, product.imag
    return result


def normed(x: Tensor, weight: Tensor, *, eps: float, unit_offset: bool) -> Tensor:
    """Float64 on the CPU: each head over its root mean square, times its weights."""
    x, weight = x.cpu().double(), weight.cpu().double()
    deviation = torch.linalg.vector_norm(x, dim=-1, keepdim=True).pow(2) / x.shape[-1] + eps
    return x * deviation.pow(-0.5) * (weight + int(unit_offset))


def ulp(dtype: torch.dtype, device: torch.device) -> float:
    """Relative tolerance of one rounding; the interpreter cuts bfloat16 instead of rounding it."""
    widest = 2.0 if dtype == torch.bfloat16 and device.type == "cpu" else 1.0
    return widest * torch.finfo(dtype).eps

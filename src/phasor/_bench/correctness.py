"""Who is wrong is not timed: a comparison with complex arithmetic in float64."""

import math

import torch
from torch import Tensor

from phasor._bench.workload import BASE, Direction, Pair, Workload

# Angles in float32 are off by a rounding of the frequency and one of the product, tables and
# arithmetic in the dtype of the activations by a few roundings each. Wrong is what exceeds that:
# a swapped pair or a position off by one is a hundred times further away.
_ANGLE_ROUNDINGS = 4 * 2**-24
_VALUE_ROUNDINGS = 2

# Numbers looked at together: what caches hold.
_PIECE = 2**17

# A pair of zeros has no direction, and stays one.
_TINY = 1e-60


def tolerance(workload: Workload) -> float:
    """Largest error that rounding explains, as a part of the length of the pair."""
    angle = _ANGLE_ROUNDINGS * workload.num_positions
    return angle + _VALUE_ROUNDINGS * torch.finfo(workload.dtype).eps


def rotation_error(before: Pair, after: Pair, workload: Workload, direction: Direction) -> float:
    """Largest distance from the exact rotation, as a part of the length of the pair.

    Args:
        before: Query and key, `[batch, heads, seq, head_dim]`.
        after: The same, rotated by a contender.
        workload: The positions and the layout.
        direction: `"backward"` for gradients, which turn the other way.

    Returns:
        The error; infinite where shapes or dtypes differ, or a number is not finite.
    """
    pairs = torch.arange(0, workload.shape.head_dim, 2, device=workload.device).double()
    speeds = BASE ** (-pairs / workload.shape.head_dim)
    angles = workload.positions.double()[..., None] * speeds
    real, imag = angles.cos(), angles.sin() if direction == "forward" else -angles.sin()
    worst = 0.0
    for x, y in zip(before, after, strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            return math.inf
        # In pieces, as float64 of everything is large and slow.
        tokens = max(1, _PIECE // (x.shape[0] * x.shape[3]))
        for start in range(0, x.shape[2], tokens):
            here = slice(start, start + tokens)
            a, b = real[..., here, :], imag[..., here, :]
            for head in range(x.shape[1]):
                largest = _square_error(x[:, head, here], y[:, head, here], a, b, workload)
                if not largest < math.inf:
                    return math.inf
                worst = max(worst, largest)
    return math.sqrt(worst)


def _square_error(x: Tensor, y: Tensor, real: Tensor, imag: Tensor, workload: Workload) -> float:
    """Of y against x times real + i imag, over the square of |x|."""
    (first, second), (first_turned, second_turned) = (_parts(z, workload) for z in (x, y))
    distance = (first_turned - (first * real - second * imag)).square_()
    distance += (second_turned - (first * imag + second * real)).square_()
    return float((distance / (first * first + second * second).clamp_min(_TINY)).max())


def _parts(x: Tensor, workload: Workload) -> tuple[Tensor, Tensor]:
    """Real and imaginary parts of what the pairs stand for."""
    x = x.detach().double()
    if workload.layout == "half":
        first, second = x.chunk(2, dim=-1)
        return first, second
    return x[..., 0::2], x[..., 1::2]

"""What rounding does to angles at the end of a context."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from phasor.rotary import Frequencies
from phasor.rotary.phase import angles, angles_of

_WINDOW = 256
_NOTICEABLE = 0.1


@dataclass(frozen=True)
class Rounding:
    """Errors of angles among the last positions of a context, in radians.

    Args:
        length: Of the context, in tokens.
        float32: Worst error of float32 position times float32 frequency.
        float32_pair: The pair that has it.
        bfloat16: Worst error if the frequencies were rounded to bfloat16, as casting a module casts
            its buffers.
        bfloat16_from: First position at which that error is over 0.1; `None` within the length.
    """

    length: int
    float32: float
    float32_pair: int
    bfloat16: float
    bfloat16_from: int | None


def rounding_at(frequencies: Frequencies, length: int) -> Rounding:
    """Errors against exact angles over the last 256 positions before `length`.

    Args:
        frequencies: Of one axis, or of several that text gives equal positions.
        length: In tokens.
    """
    flat = _one_axis(frequencies)
    positions = torch.arange(max(0, length - _WINDOW), length, device="cpu")
    worst = angle_errors(angles(positions, flat, "float32"), positions, flat).amax(0)
    cast = flat.inv_freq.float().bfloat16().float()
    bfloat16 = angle_errors(_angles_of_cast(positions, cast), positions, flat)
    # The error of a rounded frequency grows in proportion to the position.
    drift = float((cast.double() - flat.inv_freq).abs().max())
    first = math.ceil(_NOTICEABLE / drift) if drift > _NOTICEABLE / length else length
    return Rounding(
        length=length,
        float32=float(worst.max()),
        float32_pair=int(worst.argmax()),
        bfloat16=float(bfloat16.max()),
        bfloat16_from=first if first < length else None,
    )


def angle_errors(found: Tensor, positions: Tensor, frequencies: Frequencies) -> Tensor:
    """How far angles are from the exact ones, whole turns aside.

    Args:
        found: `[..., pairs]`, radians.
        positions: `[...]`, integers.
        frequencies: Of one axis.

    Returns:
        `[..., pairs]`, float64, from 0 to pi.
    """
    apart = (found.double() - angles(positions, frequencies)).remainder(2 * math.pi)
    # Where float32 overflows, nothing is left of the angle.
    return torch.minimum(apart, 2 * math.pi - apart).nan_to_num(nan=math.pi)


def _angles_of_cast(positions: Tensor, cast: Tensor) -> Tensor:
    return angles_of(positions.unsqueeze(-1), cast)


def _one_axis(frequencies: Frequencies) -> Frequencies:
    if frequencies.axes == 1:
        return frequencies
    return frequencies.with_inv_freq(frequencies.inv_freq.sum(0, keepdim=True))

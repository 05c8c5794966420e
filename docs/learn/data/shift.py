"""Whether a shift is a linear map: sines alone against sines with their cosines.

python docs/learn/data/make.py shift
"""

from typing import Any

import torch
from picture import picture, series

import phasor

DIM, POSITIONS = 32, 512
SHIFTS = [1, 2, 4, 8, 16, 32, 64, 128]


def left_over(table: torch.Tensor, shifted: torch.Tensor) -> float:
    """Of each frequency by itself what the best linear map misses, as a share of its size.

    Args:
        table: `[positions, groups, numbers]`: what stands for a position, one group per frequency.
        shifted: The same of the shifted positions.
    """
    missed = 0.0
    for group in range(table.shape[1]):
        found = torch.linalg.lstsq(table[:, group], shifted[:, group], driver="gelsd").solution
        missed += (table[:, group] @ found - shifted[:, group]).square().sum().item()
    # What is left of rounding differs from machine to machine.
    return round((missed / shifted.square().sum().item()) ** 0.5, 12)


def make() -> dict[str, Any]:
    """The best map for each frequency, as least squares find it."""
    frequencies = phasor.geometric(DIM)

    def waves(positions: torch.Tensor) -> torch.Tensor:
        cos, sin = phasor.cos_sin(positions, frequencies, dtype=torch.float64)
        return torch.stack((sin, cos), dim=-1)

    positions = torch.arange(POSITIONS)
    pairs, alone = [], []
    for shift in SHIFTS:
        here, there = waves(positions), waves(positions + shift)
        pairs.append(left_over(here, there))
        alone.append(left_over(here[..., :1], there[..., :1]))
    return picture(
        f"What the best linear map from position m to m + k misses (dim {DIM}, {POSITIONS} "
        "positions)",
        x=("shift k (tokens)", SHIFTS),
        y="share that is missed",
        curves=[series("sines alone", alone), series("sines and cosines", pairs)],
        command="python docs/learn/data/make.py shift",
        log=True,
    )

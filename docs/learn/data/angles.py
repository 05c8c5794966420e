"""How wrong a cosine is, by position and by the arithmetic of its angle."""

import math
import sys
from pathlib import Path
from typing import Any

import torch
from picture import picture, series

import phasor

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
from precision import POSITIONS, exact_cos, largest_errors

_BASE, _HEAD_DIM = 500_000.0, 128


def bfloat16_errors() -> list[float]:
    """Largest error of cos over all pairs where position, frequency and angle are bfloat16."""
    inv_freq = phasor.geometric(_HEAD_DIM, _BASE).inv_freq[0].bfloat16()
    errors = []
    for position in POSITIONS:
        angle = torch.tensor(position).bfloat16() * inv_freq
        wrong = angle.double().cos() - exact_cos(position, _BASE, _HEAD_DIM)
        errors.append(wrong.abs().max().item())
    return errors


def digits(error: float) -> float:
    """Decimal digits behind the point that an error leaves right; none past an error of 1."""
    return max(0.0, -math.log10(error))


def make() -> dict[str, Any]:
    """As digits that are right, since the errors span eight powers of ten."""
    errors = {
        "bfloat16": bfloat16_errors(),
        **{
            {"exact": "phasor", "float32": "float32"}[name]: found
            for name, found in largest_errors(_BASE, _HEAD_DIM).items()
        },
    }
    return picture(
        "How many digits of a cosine are right, by position (base 500,000, head of 128 channels)",
        x=("position (tokens)", list(POSITIONS)),
        y="digits that are right, of the worst cosine",
        curves=[series(name, [digits(e) for e in found]) for name, found in errors.items()],
        command="python docs/learn/data/make.py angles\npython benchmarks/precision.py",
        log=True,
    )

"""How still a score stands when query and key move on together, by the arithmetic of the angles.

python docs/learn/data/make.py together
"""

import math
from typing import Any

import torch
from picture import picture, series

import phasor

HEAD_DIM, BASE, DISTANCE, ROWS = 128, 500_000.0, 37, 256
ROUNDING = 1e-15  # less is the rounding of float64, in which scores are computed here
SHIFTS = [0, 10, 1_000, 8_192, 131_072, 1_000_000, 10_000_000, 100_000_000, 2_000_000_000]


def scores(shift: int, precision: phasor.rotary.Precision) -> torch.Tensor:
    """Of `ROWS` random queries and keys of length 1, `DISTANCE` apart, moved by `shift`."""
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, ROWS, HEAD_DIM, generator=generator, dtype=torch.float64)
    query, key = (x / x.norm(dim=-1, keepdim=True) for x in (query, key))
    frequencies = phasor.geometric(HEAD_DIM, BASE)
    turned = []
    for x, position in ((query, DISTANCE + shift), (key, shift)):
        cos, sin = phasor.cos_sin(
            torch.tensor([position]), frequencies, precision=precision, dtype=torch.float64
        )
        first, second = x.chunk(2, dim=-1)
        turned.append(torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1))
    return (turned[0] * turned[1]).sum(-1)


def make() -> dict[str, Any]:
    """As digits of the score that stay, since the changes span many powers of ten."""
    curves = []
    names: tuple[tuple[str, phasor.rotary.Precision], ...] = (
        ("exact phase", "exact"),
        ("float32 product", "float32"),
    )
    for name, precision in names:
        start = scores(0, "exact")
        changes = [(scores(shift, precision) - start).abs().max().item() for shift in SHIFTS[1:]]
        curves.append(series(name, [-math.log10(max(change, ROUNDING)) for change in changes]))
    return picture(
        f"Digits of a score that stay when query and key move on together, the worst of {ROWS} "
        f"pairs of unit vectors (base {BASE:,.0f}, head_dim {HEAD_DIM})",
        x=("both moved by (tokens)", SHIFTS[1:]),
        y="decimal digits that stay, of 15",
        curves=curves,
        command="python docs/learn/data/make.py together",
        log=True,
    )

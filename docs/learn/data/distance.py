"""Whether scores fall with distance: three kinds of queries and keys, turned by phasor.

python docs/learn/data/make.py distance
"""

from typing import Any

import torch
from picture import picture, series

import phasor

HEAD_DIM, BASE, ROWS, FAR = 128, 10_000.0, 512, 500
DISTANCES = [*range(0, 100, 4), *range(100, 1001, 10)]


def make() -> dict[str, Any]:
    """Scores of vectors of length 1, the query at 1,000 and keys at smaller positions."""
    frequencies = phasor.geometric(HEAD_DIM, BASE)
    generator = torch.Generator().manual_seed(0)
    random, other = torch.randn(2, 1, 1, ROWS, HEAD_DIM, generator=generator, dtype=torch.float64)
    ones = torch.ones(1, 1, 1, HEAD_DIM, dtype=torch.float64)
    random, other, ones = (x / x.norm(dim=-1, keepdim=True) for x in (random, other, ones))

    def turned(x: torch.Tensor, position: int) -> torch.Tensor:
        where = torch.full((x.shape[2],), position)
        return phasor.rotate(x, None, where, frequencies, layout="half")[0]

    # A key that the query at a distance of 500 meets at its best: turned forward by as much.
    tuned = turned(ones, FAR)
    same, far, spread = [], [], []
    for distance in DISTANCES:
        query = turned(ones, 1000)
        same.append((query * turned(ones, 1000 - distance)).sum().item())
        far.append((query * turned(tuned, 1000 - distance)).sum().item())
        scores = (turned(random, 1000) * turned(other, 1000 - distance)).sum(-1)
        spread.append(scores.square().mean().sqrt().item())
    return picture(
        f"Score by distance, vectors of length 1 (base {BASE:,.0f}, head_dim {HEAD_DIM})",
        x=("distance m − n (tokens)", DISTANCES),
        y="score",
        curves=[
            series("query equals key", same),
            series(f"key tuned to distance {FAR}", far),
            series(f"root mean square of {ROWS} random pairs", spread),
        ],
        command="python docs/learn/data/make.py distance",
    )

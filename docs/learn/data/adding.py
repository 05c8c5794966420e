"""What is left of an embedding after something was added to it, by the size of what was added."""

from typing import Any

import torch
from picture import picture, series
from torch import Tensor

import phasor

_DIM, _LENGTH, _RMS = 64, 64, 0.02
_RATIOS = [2.0**power for power in range(-5, 12)]


def added(kind: str) -> Tensor:
    """`[length, dim]`, root mean square 1 over all entries."""
    positions = torch.arange(_LENGTH)
    if kind == "integers":
        table = positions[:, None].double().expand(-1, _DIM)
    else:
        zeros = torch.zeros(1, _LENGTH, _DIM, dtype=torch.float64)
        encoding = phasor.Sinusoidal(_DIM)
        table = encoding.embed(zeros, encoding(positions, dtype=torch.float64))[0]
    return table / table.square().mean().sqrt()


def make() -> dict[str, Any]:
    """Mean cosine between the embedding before and after, over 64 tokens and 64 positions."""
    torch.manual_seed(0)
    tokens = _RMS * torch.randn(64, 1, _DIM, dtype=torch.float64)
    curves = []
    for kind in ("sinusoids", "integers"):
        table = added(kind)
        cosines, norms = [], []
        for ratio in _RATIOS:
            after = tokens + ratio * _RMS * table
            cosines.append(torch.cosine_similarity(tokens, after, dim=-1).mean().item())
            norms.append((tokens.norm(dim=-1) / after.norm(dim=-1)).mean().item())
        curves.append(series(f"{kind}: cosine", cosines))
        curves.append(series(f"{kind}: norm before over norm after", norms))
    return picture(
        "What is left of an embedding when positions are added to it",
        x=("size of what is added, as a multiple of the embedding (rms)", _RATIOS),
        y="cosine before and after; norm before over norm after",
        curves=curves,
        command="python docs/learn/data/make.py adding",
        log=True,
    )

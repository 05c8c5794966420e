"""What each bias adds to a score, by distance, before any training."""

from typing import Any

import torch
from picture import picture, series

import phasor

_HEADS = 8
_DISTANCES = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]


def bias(encoding: phasor.ScoreBias, head: int) -> list[float]:
    """Added to a score of 0 for a query at position 512, by distance of the key."""
    query, key = torch.tensor([512]), 512 - torch.tensor(_DISTANCES)
    score_mod = encoding.score_mod(encoding(query, key_positions=key, dtype=torch.float64))
    index = torch.arange(len(_DISTANCES))
    zero = torch.zeros(len(_DISTANCES), dtype=torch.float64)
    batch, row = torch.zeros(2, len(_DISTANCES), dtype=torch.long)
    heads = torch.arange(_HEADS)[:, None, None]
    found = score_mod(zero.expand(1, _HEADS, 1, -1), batch[:1], heads, row[:1], index)
    return found[0, head, 0].tolist()


@torch.no_grad()
def make() -> dict[str, Any]:
    """ALiBi, whose slopes are fixed, and KERPLE and FIRE as they start."""
    torch.manual_seed(0)
    alibi, kerple, fire = phasor.ALiBi(_HEADS), phasor.KERPLE(_HEADS), phasor.FIRE(_HEADS)
    curves = [series(f"ALiBi, head {head}", bias(alibi, head - 1)) for head in (5, 6, 7, 8)]
    curves.append(series("KERPLE at the start, head 1", bias(kerple, 0)))
    curves.append(series("FIRE at the start, head 1", bias(fire, 0)))
    return picture(
        "What is added to the score of a key, by how far it is behind the query",
        x=("distance (tokens)", _DISTANCES),
        y="added to the score",
        curves=curves,
        command="python docs/learn/data/make.py slopes",
    )

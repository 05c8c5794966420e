"""RoPE++ is plain `Rotary` on twice the query heads, as docs/reference/coverage.md says."""

import torch
from torch import Tensor
from torch.testing import assert_close

import phasor

HEADS, DIM, SEQ = 3, 8, 11


def half_turned(x: Tensor) -> Tensor:
    one, other = x.chunk(2, -1)
    return torch.cat((-other, one), -1)


def test_the_second_heads_are_the_authors() -> None:
    """OpenMOSS/rope_pp 91ba335: q sin - Jq cos beside q cos + Jq sin, J turning by 90 degrees."""
    query, key, value = torch.randn(3, 2, HEADS, SEQ, DIM, dtype=torch.float64)
    angle = torch.outer(torch.arange(SEQ).double(), 10_000.0 ** (-torch.arange(0, DIM, 2) / DIM))
    cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)
    real = query * cos + half_turned(query) * sin
    imaginary = query * sin - half_turned(query) * cos
    turned = torch.stack((real, imaginary), 2).flatten(1, 2)
    keys = (key * cos + half_turned(key) * sin).repeat_interleave(2, 1)
    score = turned @ keys.mT / DIM**0.5
    score = score.masked_fill(torch.ones(SEQ, SEQ).triu(1).bool(), -torch.inf)
    wanted = score.softmax(-1) @ value.repeat_interleave(2, 1)

    twice = torch.stack((query, -half_turned(query)), 2).flatten(1, 2)
    assert_close(phasor.attention(twice, key, value, phasor.Rotary(DIM)), wanted)

"""Slopes by the authors' rule, and the bias they make."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.encodings.alibi import alibi_slopes
from phasor.errors import ArgumentError


def authors(heads: int) -> list[float]:
    """The rule as the paper's repository has it, derived anew: recursion on powers of two."""
    if math.log2(heads).is_integer():
        start = 2 ** (-(2 ** -(math.log2(heads) - 3)))
        return [start ** (1 + at) for at in range(heads)]
    closest = 2 ** math.floor(math.log2(heads))
    return authors(closest) + authors(2 * closest)[0::2][: heads - closest]


@pytest.mark.parametrize("heads", range(1, 129))
def test_slopes_equal_the_authors(heads: int) -> None:
    assert alibi_slopes(heads) == pytest.approx(authors(heads), rel=1e-12)


@pytest.mark.parametrize("heads", [1, 8, 12, 20, 71])
def test_slopes_equal_bloom_in_transformers(heads: int) -> None:
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    bias = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)
    assert_close(bias[:, 0, 1], torch.tensor(alibi_slopes(heads)), rtol=1e-5, atol=0)


def test_the_bias_is_minus_slope_times_distance() -> None:
    alibi = phasor.ALiBi(3)
    positions = torch.tensor([10, 11, 15])
    score_mod = alibi.score_mod(alibi.prepare(positions, dtype=torch.float64))
    slopes = alibi_slopes(3)
    for head in range(3):
        for i, m in enumerate((10, 11, 15)):
            for j, n in enumerate((10, 11, 15)):
                index = [torch.tensor(value) for value in (0, head, i, j)]
                bias = score_mod(torch.tensor(0.0, dtype=torch.float64), *index)
                assert math.isclose(bias, -slopes[head] * abs(m - n), abs_tol=1e-15)


def test_far_apart_in_bfloat16_the_bias_is_not_rounded() -> None:
    """In bfloat16 a distance of 1001 would become 1000."""
    alibi = phasor.ALiBi(1).to(torch.bfloat16)
    positions = torch.tensor([0, 1001])
    score_mod = alibi.score_mod(alibi.prepare(positions, dtype=torch.bfloat16))
    index = [torch.tensor(value) for value in (0, 0, 1, 0)]
    assert score_mod(torch.tensor(0.0), *index).item() == -1001 * 2.0**-8


def test_refuses_no_heads() -> None:
    with pytest.raises(ArgumentError, match="num_heads must be at least 1, got 0"):
        phasor.ALiBi(0)

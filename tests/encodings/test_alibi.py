"""Slopes by the authors' rule, and the bias they make."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores
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


@pytest.mark.parametrize("heads", [8, 71])
def test_falcon_rounds_to_bfloat16(heads: int) -> None:
    from transformers.models.falcon.modeling_falcon import build_alibi_tensor

    theirs = (
        build_alibi_tensor(torch.ones(1, 2000, dtype=torch.long), heads, torch.bfloat16).float()
        / 8.0
    )
    alibi = phasor.ALiBi(heads, scale=1 / 8.0, precision="bfloat16")
    zero = torch.zeros(1, 1, 1, 16)
    query, key = zero.expand(1, heads, 1, 16), zero.expand(1, heads, 2000, 16)
    prepared = alibi.prepare(torch.tensor([1999]), key_positions=torch.arange(2000))
    found = attention_scores(query, key, alibi, prepared)
    assert_close(found[0], theirs, rtol=0, atol=0)
    exact = attention_scores(query, key, phasor.ALiBi(heads, scale=1 / 8.0), prepared)
    wrong_by = (found - found[..., -1:]) - exact
    assert wrong_by.abs().max() > 0.1  # it is a rounding that a model must have been trained with


def test_refuses_a_scale_or_precision_that_is_none() -> None:
    with pytest.raises(ArgumentError, match=r"scale must be positive, got 0.0; 1.0 is the paper's"):
        phasor.ALiBi(8, scale=0.0)
    with pytest.raises(ArgumentError, match=r"must be 'exact' or 'bfloat16', got 'half'"):
        phasor.ALiBi(8, precision="half")  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1.0, 0.125])
def test_slopes_for_flash_attention(scale: float) -> None:
    """By its documentation's formula, with a cache."""
    heads, seq, key_seq = 6, 3, 7
    alibi = phasor.ALiBi(heads, scale=scale)
    slopes = alibi.alibi_slopes
    assert slopes.dtype == torch.float32
    query, key = torch.zeros(1, heads, seq, 4), torch.zeros(1, heads, key_seq, 4)
    prepared = alibi.prepare(torch.arange(4, 7), key_positions=torch.arange(7))
    found = attention_scores(query, key, alibi, prepared)
    for i in range(seq):
        for j in range(key_seq):
            expected = -slopes * abs(i + key_seq - seq - j)
            assert_close(found[0, :, i, j], expected)


def test_slopes_cannot_say_what_falcon_rounds() -> None:
    with pytest.raises(NotImplementedError, match="rounds products"):
        _ = phasor.ALiBi(8, precision="bfloat16").alibi_slopes


def test_fewer_heads_are_not_told_to_build_other_slopes() -> None:
    """Two heads in all have 2^-4 and 2^-8; of eight the first two have 2^-1 and 2^-2."""
    assert alibi_slopes(2) == [2**-4, 2**-8]
    assert alibi_slopes(8)[:2] == [2**-1, 2**-2]
    query = torch.zeros(1, 2, 5, 4)
    with pytest.raises(ArgumentError) as error:
        phasor.attention(query, query, query, phasor.ALiBi(8))
    assert str(error.value) == (
        "ALiBi was built for 8 heads but the query has 2; build it with num_heads=2 if those are "
        "all heads of the model: a part of them, as under tensor parallelism, would get other "
        "numbers (slopes, gains, tables) than it has here, so for that part take "
        "encoding.heads(start, stop)"
    )

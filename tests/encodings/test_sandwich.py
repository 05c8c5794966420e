"""The bias against the paper's construction: inner products of sinusoidal encodings."""

import math

import mpmath
import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores
from phasor.errors import ArgumentError


def bias_of(sandwich: phasor.Sandwich, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """`[num_heads, queries, keys]`: what is added to scores of zero."""
    prepared = sandwich.prepare(query, key_positions=key, dtype=torch.float64)
    zeros = [
        torch.zeros(1, sandwich.num_heads, len(of), 2, dtype=torch.float64) for of in (query, key)
    ]
    return attention_scores(*zeros, sandwich, prepared)[0]


@pytest.mark.parametrize("dtypes", [("int64", "int64"), ("float64", "int64"), ("int32", "float32")])
@pytest.mark.parametrize(("num_heads", "dim"), [(8, 128), (6, 128), (12, 64), (1, 2)])
def test_bias_is_the_inner_product_of_sinusoids(
    num_heads: int, dim: int, dtypes: tuple[str, str]
) -> None:
    """Appendix E: `[sin, cos] @ [sin, cos].T`, divided by `arange(1, H + 1) * 8 / H`."""
    query, key = [0, 7, 300], [5, 0, 7, 8, 511]

    def sinusoids(at: int) -> list[float]:
        angles = [at / 10_000 ** (2 * i / dim) for i in range(dim // 2)]
        return [f(angle) for f in (math.sin, math.cos) for angle in angles]

    def inner(left: list[float], right: list[float]) -> float:
        return math.fsum(x * y for x, y in zip(left, right, strict=True))

    expected = [
        [
            [inner(sinusoids(m), sinusoids(n)) / ((head + 1) * 8 / num_heads) for n in key]
            for m in query
        ]
        for head in range(num_heads)
    ]
    given = [
        torch.tensor(of, dtype=getattr(torch, dtype))
        for of, dtype in zip((query, key), dtypes, strict=True)
    ]
    found = bias_of(phasor.Sandwich(num_heads, sinusoidal_dim=dim), *given)
    assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("distance", [1, 4097, 10**6 + 1, 2**40 + 12_345])
def test_exact_at_any_distance(distance: int, dtype: torch.dtype) -> None:
    mpmath.mp.dps = 60
    inv_freq = [mpmath.mpf(10_000.0 ** (-2 * i / 128)) for i in range(64)]
    expected = float(sum(mpmath.cos(distance * each) for each in inv_freq)) / 8
    sandwich = phasor.Sandwich(1)
    query, key = torch.tensor([distance]), torch.tensor([0])
    prepared = sandwich.prepare(query, key_positions=key, dtype=dtype)
    zeros = torch.zeros(1, 1, 1, 2, dtype=dtype)
    together = attention_scores(zeros, zeros, sandwich, prepared).item()
    one = [torch.tensor(0)] * 4
    alone = sandwich.score_mod(prepared)(torch.zeros((), dtype=dtype), *one).item()
    rounding = 1e-12 if dtype == torch.float64 else 1e-6
    # Frequencies are binary fractions of a turn, rounded at bit 64.
    rounding += distance * 64 * 2 * math.pi * 2**-65
    assert together == pytest.approx(expected, abs=rounding)
    assert alone == pytest.approx(expected, abs=rounding)


def test_falls_with_distance_and_more_so_in_the_first_heads() -> None:
    bias = bias_of(phasor.Sandwich(8), torch.tensor([400]), torch.tensor([400, 380, 300, 0]))[:, 0]
    assert_close(bias[:, 0], 64 * 8 / (8 * torch.arange(1.0, 9.0, dtype=torch.float64)))
    assert bool((bias.diff(dim=-1) < 0).all())
    assert bool((bias.diff(dim=0)[:, 0] < 0).all())


@pytest.mark.parametrize("dim", [0, 7, -2])
def test_refuses_sizes_without_a_frequency(dim: int) -> None:
    with pytest.raises(ArgumentError, match=rf"sinusoidal_dim must be even.*got {dim}; 128"):
        phasor.Sandwich(8, sinusoidal_dim=dim)


def test_refuses_no_heads() -> None:
    with pytest.raises(ArgumentError, match="num_heads must be at least 1, got 0"):
        phasor.Sandwich(0)


def test_refuses_a_query_with_other_heads() -> None:
    query, key, value = torch.randn(3, 1, 4, 10, 16)
    with pytest.raises(ArgumentError, match=r"Sandwich was built for 8 heads.*num_heads=4"):
        phasor.attention(query, key, value, phasor.Sandwich(8))


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    ("of_query", "of_key"),
    [(torch.int64, torch.int64), (torch.float64, torch.int64), (torch.int32, torch.float32)],
)
def test_one_score_at_a_time_equals_all_at_once(
    of_query: torch.dtype, of_key: torch.dtype, batched: bool
) -> None:
    """FlexAttention asks for single scores; those are sums of cosines, not products of matrices."""
    positions = torch.tensor([[0, 1, 2, 9, 40], [3, 4, 5, 6, 7]])
    positions = positions if batched else positions[0]
    sandwich = phasor.Sandwich(3)
    prepared = sandwich.prepare(
        positions.to(of_query), key_positions=positions.to(of_key), dtype=torch.float64
    )
    zeros = torch.zeros(2, 3, 5, 2, dtype=torch.float64)
    score_mod = sandwich.score_mod(prepared)
    zero = torch.zeros((), dtype=torch.float64)
    alone = [score_mod(zero, *at) for at in torch.cartesian_prod(*map(torch.arange, (2, 3, 5, 5)))]
    together = attention_scores(zeros, zeros, sandwich, prepared)
    assert_close(torch.stack(alone).view(2, 3, 5, 5), together)

"""The two kernels against the paper's formulas, and the bounds against the authors' code."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores
from phasor.errors import ArgumentError

R1, R2 = [0.3, 1.7, 0.01, 1.0], [0.9, 0.02, 1.3, 2.0]


def made(kind: str, r1: list[float], r2: list[float]) -> phasor.KERPLE:
    kerple = phasor.KERPLE(len(r1), kind=kind).double()
    with torch.no_grad():
        kerple.r1.copy_(torch.tensor(r1))
        kerple.r2.copy_(torch.tensor(r2))
    return kerple


def bias_of(kerple: phasor.KERPLE, query: list[float], key: list[float]) -> torch.Tensor:
    """`[num_heads, queries, keys]`: what is added to scores of zero."""
    prepared = kerple.prepare(
        torch.tensor(query), key_positions=torch.tensor(key), dtype=torch.float64
    )
    heads = kerple.num_heads
    zeros = [torch.zeros(1, heads, len(of), 2, dtype=torch.float64) for of in (query, key)]
    return attention_scores(*zeros, kerple, prepared)[0]


@pytest.mark.parametrize(
    ("query", "key"), [([0, 5, 17], [3, 0, 5, 1_000_000]), ([0.25, 5.5], [1.75, 5.5])]
)
@pytest.mark.parametrize("kind", ["log", "power"])
def test_bias_is_the_papers(kind: str, query: list[float], key: list[float]) -> None:
    kernels = {
        "log": lambda r1, r2, distance: -r1 * math.log(1 + r2 * distance),
        "power": lambda r1, r2, distance: -r1 * distance**r2,
    }
    expected = [
        [[kernels[kind](r1, r2, abs(m - n)) for n in key] for m in query]
        for r1, r2 in zip(torch.tensor(R1).tolist(), torch.tensor(R2).tolist(), strict=True)
    ]
    found = bias_of(made(kind, R1, R2), query, key)
    assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_exponent_one_is_alibi() -> None:
    alibi = phasor.ALiBi(4, scale=3.0)  # so that no slope is below the bound
    query, key, value = torch.randn(3, 1, 4, 10, 8, dtype=torch.float64)
    kerple = made("power", (3 * alibi.slopes).tolist(), [1.0] * 4)
    assert_close(
        phasor.attention(query, key, value, kerple), phasor.attention(query, key, value, alibi)
    )


@pytest.mark.parametrize(("kind", "most"), [("log", 3.0), ("power", 2.0)])
def test_what_leaves_its_bounds_is_used_at_the_bound(kind: str, most: float) -> None:
    """The authors clamp both to 0.01 at least, and the exponent to 2 at most."""
    found = bias_of(made(kind, [-1.0, 0.5], [0.5, 3.0]), [9], [0, 5])
    assert_close(found, bias_of(made(kind, [0.01, 0.5], [0.5, most]), [9], [0, 5]))


@pytest.mark.parametrize(("kind", "most"), [("log", math.inf), ("power", 2.0)])
def test_gradients_past_a_bound_are_those_at_the_bound(kind: str, most: float) -> None:
    """As in the authors' code, which clamps the data of the parameter: no head is stuck."""
    past, at = made(kind, [-1.0, 0.5], [0.5, 3.0]), made(kind, [0.01, 0.5], [0.5, min(most, 3.0)])
    for kerple in (past, at):
        bias_of(kerple, [9], [0, 5]).sum().backward()
        assert all(parameter.grad.all() for parameter in kerple.parameters())
    assert_close(past.r1.grad, at.r1.grad)
    assert_close(past.r2.grad, at.r2.grad)
    assert past.r1[0] == -1  # a forward pass changes no parameter


def test_distance_zero_has_finite_gradients() -> None:
    kerple = made("power", [0.5], [0.5])
    bias_of(kerple, [3, 4], [3]).sum().backward()
    assert kerple.r2.grad is not None
    assert kerple.r2.grad.isfinite().all()


@pytest.mark.parametrize(("kind", "most"), [("log", (2.0, 1.0)), ("power", (1.0, 2.0))])
def test_initial_values_are_spread_as_the_authors(kind: str, most: tuple[float, float]) -> None:
    kerple = phasor.KERPLE(4000, kind=kind)
    for parameter, end in zip((kerple.r1, kerple.r2), most, strict=True):
        assert 0.01 <= parameter.min() < 0.05 * end
        assert 0.95 * end < parameter.max() <= end
        assert parameter.mean().item() == pytest.approx(end / 2, rel=0.05)


def test_refuses_what_has_no_formula() -> None:
    with pytest.raises(ArgumentError, match=r"kind must be one of \['log', 'power'\], got 'exp'"):
        phasor.KERPLE(8, kind="exp")
    with pytest.raises(ArgumentError, match="num_heads must be at least 1, got 0"):
        phasor.KERPLE(0)


def test_refuses_a_query_with_other_heads() -> None:
    query, key, value = torch.randn(3, 1, 4, 10, 16)
    with pytest.raises(ArgumentError, match=r"KERPLE was built for 8 heads.*num_heads=4"):
        phasor.attention(query, key, value, phasor.KERPLE(8))

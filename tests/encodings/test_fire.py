"""The bias against the formula of the paper and its code, in plain Python."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores
from phasor.errors import ArgumentError


def made(num_heads: int = 3, *, c: float = 0.1, threshold: float = 512.0) -> phasor.FIRE:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return phasor.FIRE(num_heads, c=c, threshold=threshold).double()


def bias_of(fire: phasor.FIRE, query: list[float], key: list[float]) -> torch.Tensor:
    """`[num_heads, queries, keys]`: what is added to scores of zero."""
    prepared = fire.prepare(
        torch.tensor(query), key_positions=torch.tensor(key), dtype=torch.float64
    )
    zeros = [torch.zeros(1, fire.num_heads, len(of), 2, dtype=torch.float64) for of in (query, key)]
    return attention_scores(*zeros, fire, prepared)[0]


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ([0, 5, 17, 900], [3, 0, 5, 17]),
        ([0, 3], [2, 4000]),  # after the query, further than L too
        ([0.25, 5.5], [1.75, 5.5]),
        ([-20, 4], [-21, 4]),
    ],
)
@pytest.mark.parametrize(
    ("c", "factor", "threshold"), [(0.1, 1.0, 512.0), (-0.7, 0.5, 20.0), (2.0, -1.5, 3.0)]
)
def test_bias_is_the_papers(
    c: float, factor: float, threshold: float, query: list[float], key: list[float]
) -> None:
    fire = made(threshold=threshold)
    with torch.no_grad():
        fire.c.fill_(c)
        fire.threshold_factor.fill_(factor)
    (w1,), b1 = fire.hidden.weight.T.tolist(), fire.hidden.bias.tolist()
    w2, b2 = fire.out.weight.tolist(), fire.out.bias.tolist()

    def psi(x: float) -> float:
        return math.log(abs(c * x) + 1)

    def bias(head: int, m: float, n: float) -> float:
        ratio = psi(m - n) / (psi(max(m, abs(factor * threshold))) + 1e-6)
        hidden = [max(0.0, weight * ratio + shift) for weight, shift in zip(w1, b1, strict=True)]
        return b2[head] + math.fsum(x * w for x, w in zip(hidden, w2[head], strict=True))

    expected = [[[bias(head, m, n) for n in key] for m in query] for head in range(3)]
    assert_close(bias_of(fire, query, key), torch.tensor(expected, dtype=torch.float64))


def test_depends_on_distance_alone_up_to_the_threshold() -> None:
    fire = made(threshold=50.0)
    near, far = bias_of(fire, [7], [0, 3, 7]), bias_of(fire, [50], [43, 46, 50])
    assert_close(near, far)
    assert (bias_of(fire, [51], [44, 47, 51]) - near)[..., :2].abs().min() > 1e-6


@pytest.mark.parametrize("batched", [False, True])
def test_one_score_at_a_time_equals_all_at_once(batched: bool) -> None:
    """FlexAttention asks for single scores; those are sums, not products of matrices."""
    positions = torch.tensor([[0, 1, 2, 9, 40], [3, 4, 5, 6, 7]])
    fire = made(threshold=6.5)
    prepared = fire.prepare(positions if batched else positions[0], dtype=torch.float64)
    zeros = torch.zeros(2, 3, 5, 2, dtype=torch.float64)
    score_mod = fire.score_mod(prepared)
    zero = torch.zeros((), dtype=torch.float64)
    alone = [score_mod(zero, *at) for at in torch.cartesian_prod(*map(torch.arange, (2, 3, 5, 5)))]
    together = attention_scores(zeros, zeros, fire, prepared)
    alone = torch.stack(alone).view(2, 3, 5, 5)
    assert_close(alone, together)
    weight = torch.randn_like(together)
    for single, whole in zip(
        torch.autograd.grad((alone * weight).sum(), fire.parameters(), retain_graph=True),
        torch.autograd.grad((together * weight).sum(), fire.parameters()),
        strict=True,
    ):
        assert_close(single, whole)


def test_initial_values_are_the_authors() -> None:
    fire = phasor.FIRE(12)
    assert fire.c.item() == pytest.approx(0.1)
    assert fire.threshold_factor.item() * fire.threshold == 512
    assert [tuple(p.shape) for p in fire.parameters()] == [
        (1,), (1,), (32, 1), (32,), (12, 32), (12,),
    ]  # fmt: skip


def test_values_come_back_after_to_empty() -> None:
    with torch.device("meta"):
        fire = phasor.FIRE(4)
    fire = fire.to_empty(device="cpu")
    fire.reset_parameters()
    assert fire.c.item() == pytest.approx(0.1)
    assert 0 < fire.out.weight.abs().max() <= 32**-0.5
    assert 0.5 < fire.hidden.weight.abs().max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 0}, "num_heads must be at least 1, got 0"),
        ({"num_heads": 8, "mlp_width": 0}, "mlp_width must be at least 1, got 0"),
        ({"num_heads": 8, "c": 0.0}, "c must be positive, got 0.0; 0.1 is the paper's"),
        ({"num_heads": 8, "threshold": math.inf}, "threshold must be positive, got inf; 512.0"),
    ],
)
def test_refuses_numbers_that_cannot_work(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        phasor.FIRE(**arguments)


def test_refuses_a_query_with_other_heads() -> None:
    query, key, value = torch.randn(3, 1, 4, 10, 16)
    with pytest.raises(ArgumentError, match=r"FIRE was built for 8 heads.*num_heads=4"):
        phasor.attention(query, key, value, phasor.FIRE(8))

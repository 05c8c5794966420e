"""PoPE against complex numbers in polar form."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError

DIM, HEADS = 6, 2
PLACES = torch.tensor([0, 1, 2, 10, 1000, 10**6])
OMEGA = torch.tensor([10_000.0 ** (-c / DIM) for c in range(DIM)], dtype=torch.float64)


def pope(**more: object) -> phasor.PoPE:
    torch.manual_seed(1)
    arguments = {"num_heads": HEADS, "random_phase": True, **more}
    return phasor.PoPE(DIM, **arguments).double()  # type: ignore[arg-type]


def activations(seq: int, heads: int = HEADS, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, heads, seq, DIM, generator=generator, dtype=torch.float64)


def polar(x: torch.Tensor, places: torch.Tensor, phase: torch.Tensor | float) -> torch.Tensor:
    length = (1 + x.exp()).log()
    return torch.polar(length, (places[:, None] * OMEGA + phase).expand_as(length))


def test_equals_polar_coordinates() -> None:
    encoding, query, key = pope(), activations(6), activations(6, seed=1)
    found = encoding.rotate(query, key, encoding.prepare(PLACES, dtype=torch.float64))
    phase = encoding.phase.detach()[:, None]
    for x, y in zip((polar(query, PLACES, 0.0), polar(key, PLACES, phase)), found, strict=True):
        assert_close(y, torch.cat((x.real, x.imag), -1), rtol=1e-9, atol=1e-9)


def test_scores_are_the_papers() -> None:
    """Sum over channels of both lengths times cos((n - m) w_c + delta_c), over sqrt(d)."""
    encoding, query, key = pope(), activations(6), activations(6, seed=1)
    turned = encoding.rotate(query, key, encoding.prepare(PLACES, dtype=torch.float64))
    apart = PLACES[None, :, None] - PLACES[:, None, None]
    angle = apart * OMEGA + encoding.phase.detach()[:, None, None]
    lengths = [(1 + x.exp()).log() for x in (query, key)]
    score = torch.einsum("bhmc,bhnc,hmnc->bhmn", *lengths, angle.cos()) / DIM**0.5
    value = activations(6, seed=2)
    wanted = score.softmax(-1) @ value
    found = scaled_dot_product_attention(*turned, value, scale=DIM**-0.5)
    assert_close(found, wanted, rtol=1e-8, atol=1e-8)
    for impl in ("sdpa", "reference"):
        found = phasor.attention(
            query, key, value, encoding, positions=PLACES, causal=False, impl=impl
        )
        assert_close(found, wanted, rtol=1e-8, atol=1e-8)


def test_phases_stay_within_a_turn() -> None:
    encoding, key = pope(), activations(3)
    with torch.no_grad():
        encoding.phase.copy_(torch.tensor([1.0, -7.0])[:, None].expand(-1, DIM))
    at_zero = encoding.rotate(key, key, encoding.prepare(torch.zeros(3), dtype=torch.float64))
    assert_close(at_zero[1], at_zero[0])


@pytest.mark.parametrize("random_phase", [False, True])
def test_phases_at_the_start(random_phase: bool) -> None:
    torch.manual_seed(0)
    phase = phasor.PoPE(64, num_heads=8, random_phase=random_phase).phase
    if random_phase:
        assert -2 * math.pi <= phase.min() < -6.2
        assert -0.1 < phase.max() <= 0
    else:
        assert phase.abs().max() == 0


def test_groups_of_queries_and_half_precision() -> None:
    encoding, query, key = pope(), activations(6, heads=4), activations(6)
    prepared = encoding.prepare(torch.arange(6), dtype=torch.bfloat16)
    turned = encoding.rotate(query.bfloat16(), key.bfloat16(), prepared)
    assert turned[0].shape == (2, 4, 6, 2 * DIM)
    exact = polar(query.bfloat16().double(), torch.arange(6), 0.0)
    off = (turned[0].double() - torch.cat((exact.real, exact.imag), -1)).abs()
    assert (off <= 2**-8 * 1.001 * exact.abs().repeat(1, 1, 1, 2)).all()
    assert turned[1].dtype == torch.bfloat16


def test_gradients_reach_the_phases() -> None:
    encoding, query, key = pope(), activations(3)[:1], activations(3, seed=1)[:1]
    assert torch.autograd.gradcheck(
        lambda query, key, _: encoding.rotate(
            query, key, encoding.prepare(torch.tensor([0, 2, 7]), dtype=torch.float64)
        ),
        (query.requires_grad_(), key.requires_grad_(), encoding.phase),
    )


def test_survives_to_empty() -> None:
    with torch.device("meta"):
        encoding = phasor.PoPE(DIM, num_heads=HEADS)
    encoding = encoding.to_empty(device="cpu")
    encoding.reset_parameters()
    x = activations(6).float()
    wanted = phasor.PoPE(DIM, num_heads=HEADS)
    for found, want in zip(
        encoding.rotate(x, x, encoding.prepare(PLACES)),
        wanted.rotate(x, x, wanted.prepare(PLACES)),
        strict=True,
    ):
        assert_close(found, want, rtol=0, atol=0)


def test_refuses_what_does_not_fit() -> None:
    for head_dim, bad, message in (
        (0, {}, "head_dim must be at least 1, got 0"),
        (8, {"num_heads": 0}, "num_heads must be at least 1, got 0"),
        (8, {"base": -1.0}, "base must be a positive number"),
    ):
        with pytest.raises(ArgumentError, match=message):
            phasor.PoPE(head_dim, **{"num_heads": HEADS, **bad})  # type: ignore[arg-type]
    encoding, x = pope(), activations(3)
    with pytest.raises(ArgumentTypeError, match="query is float64 but PoPE was prepared in"):
        encoding.rotate(x, None, encoding.prepare(torch.arange(3)))
    with pytest.raises(ArgumentError, match="2 positions but query has 3"):
        encoding.rotate(x, None, encoding.prepare(torch.arange(2), dtype=torch.float64))
    prepared = encoding.prepare(torch.arange(3), dtype=torch.float64)
    with pytest.raises(ArgumentError, match="built for 2 heads, got a key with 3"):
        encoding.rotate(x, activations(3, heads=3), prepared)

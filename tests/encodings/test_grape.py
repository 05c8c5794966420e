"""Multiplicative GRAPE against exponentials of its generator by eigenvectors."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError

DIM, HEADS = 8, 2
PLACES = torch.tensor([0, 1, 2, 10, 1000, 10**6])


def grape(**more: object) -> phasor.GRAPEM:
    torch.manual_seed(1)
    return phasor.GRAPEM(DIM, **{"num_heads": HEADS, **more}).double()  # type: ignore[arg-type]


def activations(seq: int, heads: int = HEADS, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, heads, seq, DIM, generator=generator, dtype=torch.float64)


def rotate(encoding: phasor.GRAPEM, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return encoding.rotate(x, None, encoding.prepare(positions, dtype=torch.float64))[0]


def exponential(skew: torch.Tensor) -> torch.Tensor:
    """exp(A): i A is Hermitian, so it has real eigenvalues and orthogonal eigenvectors."""
    values, vectors = torch.linalg.eigh(1j * skew)
    return ((vectors * torch.exp(-1j * values)) @ vectors.mH).real


def test_equals_exponentials_by_eigenvectors() -> None:
    encoding, x = grape(), activations(len(PLACES))
    torch.nn.init.normal_(encoding.a)  # neither unit vectors nor at right angles
    torch.nn.init.normal_(encoding.b)
    found = rotate(encoding, x, PLACES)
    for head in range(HEADS):
        a, b = encoding.a[head].detach(), encoding.b[head].detach()
        generator = a.outer(b) - b.outer(a)
        for token, place in enumerate(PLACES):
            wanted = x[:, head, token] @ exponential(place * generator).T
            tolerance = 1e-12 * max(1, int(place))  # of the angle of the oracle too
            assert_close(found[:, head, token], wanted, rtol=tolerance, atol=tolerance)


def test_a_plane_of_two_channels_turns_as_rope_does() -> None:
    encoding, x = grape(num_heads=1), activations(len(PLACES), heads=1)
    with torch.no_grad():
        encoding.a.zero_()[0, 5] = 0.5
        encoding.b.zero_()[0, 2] = 0.02
    found = rotate(encoding, x, PLACES)
    angle = PLACES.double() * 0.01
    turned = torch.complex(x[..., 2], x[..., 5]) * torch.polar(torch.ones_like(angle), angle)
    assert_close(found[..., 2], turned.real, rtol=1e-9, atol=1e-9)
    assert_close(found[..., 5], turned.imag, rtol=1e-9, atol=1e-9)
    rest = [0, 1, 3, 4, 6, 7]
    assert_close(found[..., rest], x[..., rest], rtol=0, atol=0)


def test_scores_depend_on_the_distance_alone_and_norms_stay() -> None:
    encoding, query, key = grape(), activations(9), activations(9, seed=1)
    near, far = (
        encoding.rotate(query, key, encoding.prepare(torch.arange(9) + start, dtype=torch.float64))
        for start in (0, 5000)
    )
    assert_close(near[0] @ near[1].mT, far[0] @ far[1].mT, rtol=1e-9, atol=1e-9)
    assert_close(far[0].norm(dim=-1), query.norm(dim=-1))


def test_heads_start_with_paces_from_fast_to_slow() -> None:
    encoding = phasor.GRAPEM(64, num_heads=4, base=10_000.0)
    a, b = encoding.a.double(), encoding.b.double()
    area = (a.square().sum(-1) * b.square().sum(-1) - (a * b).sum(-1).square()).sqrt()
    wanted = torch.tensor([1.0, 0.1, 0.01, 0.001], dtype=torch.float64)
    assert_close(area, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("parallel", [True, False])
def test_vectors_that_span_no_plane_turn_nothing(parallel: bool) -> None:
    encoding, x = grape(), activations(3)
    with torch.no_grad():
        encoding.b.copy_(2 * encoding.a if parallel else torch.zeros_like(encoding.a))
    found = rotate(encoding, x, torch.arange(3))
    assert_close(found, x, rtol=1e-12, atol=1e-12)
    found.square().sum().backward()
    assert encoding.a.grad is not None
    assert encoding.a.grad.isfinite().all()


def test_positions_of_each_sequence_and_groups_of_queries() -> None:
    encoding, query, key = grape(), activations(5, heads=4), activations(5)
    positions = torch.tensor([[0, 1, 2, 3, 4], [7, 8, 9, 10, 11]])
    found = encoding.rotate(query, key, encoding.prepare(positions, dtype=torch.float64))
    for row in range(2):
        assert_close(found[1][row], rotate(encoding, key, positions[row])[row])
        for head in range(4):
            alone = query[:, head : head + 1].expand(-1, 2, -1, -1)
            wanted = rotate(encoding, alone, positions[row])[row, head // 2]
            assert_close(found[0][row, head], wanted)


def test_gradients_reach_the_planes() -> None:
    encoding, x = grape(), activations(3)[:1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, *_: rotate(encoding, x, torch.tensor([0, 2, 7])), (x, encoding.a, encoding.b)
    )


def test_refuses_what_does_not_fit() -> None:
    for head_dim, bad, message in (
        (1, {}, "head_dim must be at least 2, a plane, got 1"),
        (8, {"num_heads": 0}, "num_heads must be at least 1, got 0"),
        (8, {"base": math.inf}, "base must be positive, got inf"),
    ):
        with pytest.raises(ArgumentError, match=message):
            phasor.GRAPEM(head_dim, **{"num_heads": HEADS, **bad})  # type: ignore[arg-type]
    encoding, x = grape(), activations(3)
    with pytest.raises(ArgumentTypeError, match="query is float64 but GRAPEM was prepared in"):
        encoding.rotate(x, None, encoding.prepare(torch.arange(3)))
    with pytest.raises(ArgumentError, match="prepared for 2 positions but query has 3"):
        rotate(encoding, x, torch.arange(2))
    with pytest.raises(ArgumentError, match="built for 2 heads, got a query with 3"):
        rotate(encoding, activations(3, heads=3), torch.arange(3))

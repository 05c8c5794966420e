"""LieRE against exponentials by eigenvectors, and RoPE where its blocks have two channels."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError

DIM, HEADS = 8, 2
GRID = torch.cartesian_prod(torch.arange(3), torch.arange(4))


def liere(**more: object) -> phasor.LieRE:
    torch.manual_seed(1)
    arguments = {"num_heads": HEADS, "axes": 2, "block_dim": 4, "num_positions": 4.0, **more}
    return phasor.LieRE(DIM, **arguments).double()  # type: ignore[arg-type]


def activations(seq: int, heads: int = HEADS, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, heads, seq, DIM, generator=generator, dtype=torch.float64)


def rotate(encoding: phasor.LieRE, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return encoding.rotate(x, None, encoding.prepare(positions, dtype=torch.float64))[0]


def exponential(skew: torch.Tensor) -> torch.Tensor:
    """exp(A): i A is Hermitian, so it has real eigenvalues and orthogonal eigenvectors."""
    values, vectors = torch.linalg.eigh(1j * skew)
    return ((vectors * torch.exp(-1j * values).unsqueeze(-2)) @ vectors.mH).real


@pytest.mark.parametrize("block_dim", [2, 4, None])
def test_equals_exponentials_by_eigenvectors(block_dim: int | None) -> None:
    encoding, x = liere(block_dim=block_dim), activations(len(GRID))
    size = block_dim or DIM
    found = rotate(encoding, x, GRID)
    for head in range(HEADS):
        for block in range(DIM // size):
            upper = torch.zeros(2, size, size, dtype=torch.float64)
            entries = iter(encoding.skew[:, head, block].unbind(-1))
            for row in range(size):
                for column in range(row + 1, size):
                    upper[:, row, column] = next(entries).detach()
            channels = slice(block * size, (block + 1) * size)
            for token, place in enumerate(GRID.double() / 4):
                turn = exponential(torch.einsum("a,aij->ij", place, upper - upper.mT))
                wanted = x[:, head, token, channels] @ turn.T
                assert_close(found[:, head, token, channels], wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("steps", "trained"), [(14, 14), (20, 14), (9, 14)])
def test_positions_are_the_authors(steps: int, trained: int) -> None:
    """StanfordMIMI/LieRE b27b41b: each axis is linspace(0, steps / trained, steps)."""
    encoding = liere(num_positions=trained * (steps - 1) / steps)
    scale = steps / trained
    axis = [scale * step / (steps - 1) for step in range(steps)]
    corner = torch.tensor([[0, 1], [steps - 1, 2], [steps // 2, steps - 1]])
    x = activations(3)
    found = rotate(encoding, x, corner)
    upper = torch.zeros(2, HEADS, 2, 4, 4, dtype=torch.float64)
    row, column = zip(*((i, j) for i in range(4) for j in range(i + 1, 4)), strict=True)
    upper[..., row, column] = encoding.skew.detach()
    for token, place in enumerate(corner.tolist()):
        share = torch.tensor([axis[at] for at in place], dtype=torch.float64)
        turn = exponential(torch.einsum("a,ahbij->hbij", share, upper - upper.mT))
        wanted = torch.einsum("hbij,nhbj->nhbi", turn, x[:, :, token].unflatten(-1, (2, 4)))
        assert_close(found[:, :, token], wanted.flatten(-2), rtol=1e-10, atol=1e-10)
    if steps == trained:
        assert (rotate(liere(num_positions=steps), x, corner) - found).abs().max() > 0.1


def test_blocks_of_two_turn_as_rope_does() -> None:
    encoding = liere(axes=1, block_dim=2, num_positions=1.0)
    with torch.no_grad():
        encoding.skew.copy_(-(10_000.0 ** (-torch.arange(4).double() / 4))[:, None])
    x, positions = activations(6), torch.tensor([0, 1, 2, 10, 100, 1000])
    angle = positions[:, None] * 10_000.0 ** (-torch.arange(4).double() / 4)
    turn = torch.polar(torch.ones_like(angle), angle)
    wanted = torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn).flatten(-2)
    assert_close(rotate(encoding, x, positions), wanted, rtol=1e-10, atol=1e-10)


def test_with_one_axis_scores_depend_on_the_distance_alone_and_norms_stay() -> None:
    encoding, query, key = liere(axes=1), activations(9), activations(9, seed=1)
    near, far = (
        encoding.rotate(query, key, encoding.prepare(torch.arange(9) + start, dtype=torch.float64))
        for start in (0, 300)
    )
    assert_close(near[0] @ near[1].mT, far[0] @ far[1].mT, rtol=1e-9, atol=1e-9)
    assert_close(far[0].norm(dim=-1), query.norm(dim=-1))


def test_with_two_axes_they_need_not() -> None:
    encoding, query, key = liere(), activations(len(GRID)), activations(len(GRID), seed=1)
    near, far = (
        encoding.rotate(query, key, encoding.prepare(GRID + start, dtype=torch.float64))
        for start in (0, 3)
    )
    assert (near[0] @ near[1].mT - far[0] @ far[1].mT).abs().max() > 0.1


def test_starts_as_the_authors_do() -> None:
    torch.manual_seed(0)
    entries = phasor.LieRE(64, num_heads=8, block_dim=None).skew
    assert entries.shape == (1, 8, 1, 64 * 63 // 2)
    assert 0 <= entries.min() < 0.01
    assert 2 * math.pi - 0.01 < entries.max() <= 2 * math.pi
    assert entries.mean().item() == pytest.approx(math.pi, rel=0.02)


def test_positions_of_each_sequence_and_groups_of_queries() -> None:
    encoding, query, key = liere(), activations(len(GRID), heads=4), activations(len(GRID))
    positions = torch.stack((GRID, GRID.flip(0)))
    found = encoding.rotate(query, key, encoding.prepare(positions, dtype=torch.float64))
    for row in range(2):
        assert_close(found[1][row], rotate(encoding, key, positions[row])[row])
        for head in range(4):
            alone = query[:, head : head + 1].expand(-1, 2, -1, -1)
            wanted = rotate(encoding, alone, positions[row])[row, head // 2]
            assert_close(found[0][row, head], wanted)
    shared = encoding.prepare(GRID[None], dtype=torch.float64)
    assert_close(encoding.rotate(query, None, shared)[0], rotate(encoding, query, GRID))


def test_keys_in_another_place() -> None:
    encoding, query, key = liere(), activations(len(GRID)), activations(len(GRID), seed=1)
    prepared = encoding.prepare(GRID[:2], key_positions=GRID, dtype=torch.float64)
    some, keys = encoding.rotate(query[:, :, :2], key, prepared)
    assert_close(some, rotate(encoding, query, GRID)[:, :, :2])
    assert_close(keys, rotate(encoding, key, GRID))


def test_gradients_reach_the_generators() -> None:
    encoding, x = liere(), activations(3)[:1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, _: rotate(encoding, x, GRID[4:7]), (x, encoding.skew))


def test_refuses_what_does_not_fit() -> None:
    for bad, message in (
        ({"block_dim": 3}, "divide head_dim 8, got 3; block_dim=None takes"),
        ({"block_dim": 1}, "block_dim must be at least 2"),
        ({"num_heads": 0}, "num_heads must be at least 1, got 0"),
        ({"axes": 0}, "axes must be at least 1, got 0"),
        ({"num_positions": 0}, "num_positions must be positive, got 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            liere(**bad)
    encoding, x = liere(), activations(3)
    with pytest.raises(ArgumentError, match=r"\[seq, 2\] or \[batch, seq, 2\]"):
        encoding.prepare(torch.arange(3))
    with pytest.raises(ArgumentTypeError, match="query is float64 but LieRE was prepared in"):
        encoding.rotate(x, None, encoding.prepare(GRID[:3]))
    with pytest.raises(ArgumentError, match="prepared for 12 positions but query has 3"):
        rotate(encoding, x, GRID)
    with pytest.raises(ArgumentError, match="built for 2 heads, got a query with 3"):
        rotate(encoding, activations(12, heads=3), GRID)

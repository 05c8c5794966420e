"""RoPE-Mixed against complex arithmetic, and what its frequencies learn."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError

HEADS, DIM = 3, 8
GRID = torch.cartesian_prod(torch.arange(4), torch.arange(5))


def activations(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query, key = torch.randn(2, 2, HEADS, len(GRID), DIM, generator=generator, dtype=torch.float64)
    return query, key


def mixed(**more: object) -> phasor.RotaryMixed:
    torch.manual_seed(1)
    return phasor.RotaryMixed(DIM, num_heads=HEADS, **more).double()  # type: ignore[arg-type]


def test_equals_complex_arithmetic() -> None:
    encoding, (query, key) = mixed(), activations()
    angle = torch.einsum("sa,hap->hsp", GRID.double(), encoding.inv_freq)
    turn = torch.polar(torch.ones_like(angle), angle)
    found = encoding.rotate(query, key, encoding.prepare(GRID))
    for x, y in zip((query, key), found, strict=True):
        wanted = torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turn
        assert_close(y, torch.view_as_real(wanted).flatten(-2))


def test_the_authors_count_columns_first() -> None:
    """naver-ai/rope-vit ce85c2e: token t is at x = t % width, y = t // width; `freqs` (x, y)."""
    encoding, (query, _) = mixed(), activations()
    freqs = encoding.inv_freq.movedim(1, 0)  # the authors': [2, heads, pairs] of one layer
    t = torch.arange(20, dtype=torch.float64)
    x, y = t % 5, (t / 5).floor()
    angle = x[:, None] * freqs[0].unsqueeze(1) + y[:, None] * freqs[1].unsqueeze(1)
    turn = torch.polar(torch.ones_like(angle), angle)
    wanted = torch.view_as_complex(query.unflatten(-1, (-1, 2))) * turn
    wanted = torch.view_as_real(wanted).flatten(-2)
    grid = phasor.positions.grid_2d(4, 5)
    found, _ = encoding.rotate(query, None, encoding.prepare(grid.flip(-1)))
    assert_close(found, wanted)
    rows_first, _ = encoding.rotate(query, None, encoding.prepare(grid))
    assert (rows_first - wanted).abs().max() > 0.1


def test_scores_depend_on_the_displacement_alone() -> None:
    encoding, (query, key) = mixed(), activations()
    near = encoding.rotate(query, key, encoding.prepare(GRID))
    far = encoding.rotate(query, key, encoding.prepare(GRID + torch.tensor([100, -30])))
    assert_close(near[0] @ near[1].transpose(-1, -2), far[0] @ far[1].transpose(-1, -2))


@pytest.mark.parametrize("fractional", [False, True])
def test_gradients_reach_the_frequencies(fractional: bool) -> None:
    encoding, (query, key) = mixed(), activations()
    grid = GRID + 0.25 if fractional else GRID
    few = slice(0, 3)
    query, key = query[:1, :, few].requires_grad_(), key[:1, :, few].requires_grad_()

    def turned(query: torch.Tensor, key: torch.Tensor, _: torch.Tensor) -> object:
        return encoding.rotate(query, key, encoding.prepare(grid[few]))

    assert torch.autograd.gradcheck(turned, (query, key, encoding.inv_freq))


def test_initial_frequencies_are_the_authors() -> None:
    """Lengths base^(-4p/d), each twice, at right angles; directions differ between heads."""
    x, y = mixed(base=16.0).inv_freq.unbind(1)
    length = torch.tensor([1.0, 0.25, 1.0, 0.25], dtype=torch.float64)
    assert_close((x.square() + y.square()).sqrt(), length.expand(HEADS, -1), rtol=1e-5, atol=0)
    first, second = torch.atan2(y, x).split(2, dim=1)
    assert_close((second - first) % (2 * math.pi), torch.full_like(first, math.pi / 2))
    assert_close(first[:, 0], first[:, 1])
    assert len(first[:, 0].unique()) == HEADS


def test_keys_in_another_place() -> None:
    encoding, (query, key) = mixed(), activations()
    prepared = encoding.prepare(GRID[:2], key_positions=GRID)
    some, keys = encoding.rotate(query[:, :, :2], key, prepared)
    whole = encoding.rotate(query, key, encoding.prepare(GRID))
    assert_close(some, whole[0][:, :, :2])
    assert_close(keys, whole[1])


def test_half_layout_is_the_same_in_other_places() -> None:
    query, _ = activations()
    order = torch.arange(DIM).view(2, -1).T.flatten()  # half [0..3 | 4..7] to interleaved
    one, other = mixed(), mixed(layout="half")
    found, _ = other.rotate(query, None, other.prepare(GRID))
    wanted, _ = one.rotate(query[..., order], None, one.prepare(GRID))
    assert_close(found[..., order], wanted)


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"multiple of 4.*got 6"):
        phasor.RotaryMixed(6, num_heads=2)
    with pytest.raises(ArgumentError, match="num_heads must be at least 1, got 0"):
        phasor.RotaryMixed(8, num_heads=0)
    with pytest.raises(ArgumentError, match="base must be positive"):
        phasor.RotaryMixed(8, num_heads=1, base=-1)
    with pytest.raises(ArgumentError, match=r"\[seq, 2\] or \[batch, seq, 2\]"):
        mixed().prepare(torch.arange(3))
    few = torch.zeros(1, 2, 20, DIM, dtype=torch.float64)
    with pytest.raises(ArgumentError, match="built for 3 heads but the key has 2; build it with"):
        mixed().rotate(torch.zeros(1, 3, 20, DIM).double(), few, mixed().prepare(GRID))
    with pytest.raises(ArgumentError, match="built for head_dim 8"):
        mixed().rotate(torch.zeros(1, 3, 20, 4), None, mixed().prepare(GRID))

"""STRING against exponentials of its circulant matrices, written out."""

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError

DIM, HEADS = 8, 2
GRID = torch.cartesian_prod(torch.arange(3), torch.arange(4))


def string(**more: object) -> phasor.STRING:
    arguments = {"num_heads": HEADS, "axes": 2, **more}
    encoding = phasor.STRING(DIM, **arguments).double()  # type: ignore[arg-type]
    torch.nn.init.normal_(encoding.circulant, generator=torch.Generator().manual_seed(3))
    return encoding


def activations(seq: int, heads: int = HEADS, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, heads, seq, DIM, generator=generator, dtype=torch.float64)


def rotate(encoding: phasor.STRING, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return encoding.rotate(x, None, encoding.prepare(positions, dtype=torch.float64))[0]


def generator_of(entries: torch.Tensor) -> torch.Tensor:
    """C - C^T with C circulant, its first row 0, c_1, c_2, ... up to the middle and zeros then."""
    row = torch.zeros(DIM, dtype=torch.float64)
    row[1 : DIM // 2] = entries
    circulant = torch.stack([row.roll(shift) for shift in range(DIM)])
    return circulant - circulant.T


def test_equals_exponentials_of_circulants() -> None:
    encoding, x = string(), activations(len(GRID))
    found = rotate(encoding, x, GRID)
    for head in range(HEADS):
        generators = [generator_of(row) for row in encoding.circulant[head].detach()]
        assert_close(generators[0] @ generators[1], generators[1] @ generators[0])
        for token, (down, right) in enumerate(GRID.tolist()):
            turn = torch.linalg.matrix_exp(down * generators[0] + right * generators[1])
            wanted = x[:, head, token] @ turn.T
            assert_close(found[:, head, token], wanted, rtol=1e-11, atol=1e-11)


def test_scores_depend_on_the_displacement_alone_and_norms_stay() -> None:
    encoding, query, key = string(), activations(len(GRID)), activations(len(GRID), seed=1)
    near, far = (
        encoding.rotate(query, key, encoding.prepare(GRID + start, dtype=torch.float64))
        for start in (torch.tensor([0, 0]), torch.tensor([100, -30]))
    )
    assert_close(near[0] @ near[1].mT, far[0] @ far[1].mT, rtol=1e-9, atol=1e-9)
    assert_close(far[0].norm(dim=-1), query.norm(dim=-1))


@pytest.mark.parametrize("dim", [4, 10, 64])
def test_starts_with_the_frequencies_of_rope(dim: int) -> None:
    """The spectrum of L is i w and -i w, and twice 0."""
    encoding = phasor.STRING(dim, num_heads=1, base=100.0).double()
    row = torch.zeros(dim, dtype=torch.float64)
    row[1 : dim // 2] = encoding.circulant[0, 0].detach()
    circulant = torch.stack([row.roll(shift) for shift in range(dim)])
    found = torch.linalg.eigvalsh(1j * (circulant - circulant.T)).sort().values
    pairs = dim // 2 - 1
    omega = 100.0 ** (-torch.arange(pairs).double() / pairs)
    wanted = torch.cat((omega, -omega, torch.zeros(2))).sort().values
    assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_axes_take_turns_at_the_start() -> None:
    encoding = phasor.STRING(10, num_heads=1, axes=2, base=16.0)
    found = encoding.prepare(GRID).inv_freq[0]
    wanted = torch.tensor([[1.0, 0.0, 0.25, 0.0], [0.0, 0.5, 0.0, 0.125]]).double()
    assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_positions_of_each_sequence_and_groups_of_queries() -> None:
    encoding, query, key = string(), activations(len(GRID), heads=4), activations(len(GRID))
    positions = torch.stack((GRID, GRID.flip(0)))
    found = encoding.rotate(query, key, encoding.prepare(positions, dtype=torch.float64))
    for row in range(2):
        assert_close(found[1][row], rotate(encoding, key, positions[row])[row])
        for head in range(4):
            alone = query[:, head : head + 1].expand(-1, 2, -1, -1)
            wanted = rotate(encoding, alone, positions[row])[row, head // 2]
            assert_close(found[0][row, head], wanted)


def test_keys_in_another_place() -> None:
    encoding, query, key = string(), activations(len(GRID)), activations(len(GRID), seed=1)
    prepared = encoding.prepare(GRID[:2], key_positions=GRID, dtype=torch.float64)
    some, keys = encoding.rotate(query[:, :, :2], key, prepared)
    assert_close(some, rotate(encoding, query, GRID)[:, :, :2])
    assert_close(keys, rotate(encoding, key, GRID))


def test_gradients_reach_the_circulants() -> None:
    encoding, x = string(), activations(3)[:1].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, _: rotate(encoding, x, GRID[4:7]), (x, encoding.circulant)
    )


def test_refuses_what_does_not_fit() -> None:
    for head_dim, bad, message in (
        (7, {}, "head_dim must be even and at least 4, got 7"),
        (2, {}, "head_dim must be even and at least 4, got 2"),
        (8, {"num_heads": 0}, "num_heads must be at least 1, got 0"),
        (8, {"axes": 0}, "axes must be at least 1, got 0"),
        (8, {"base": -1.0}, "base must be a positive number"),
    ):
        with pytest.raises(ArgumentError, match=message):
            phasor.STRING(head_dim, **{"num_heads": HEADS, **bad})  # type: ignore[arg-type]
    encoding, x = string(), activations(3)
    with pytest.raises(ArgumentError, match=r"\[seq, 2\] or \[batch, seq, 2\]"):
        encoding.prepare(torch.arange(3))
    with pytest.raises(ArgumentTypeError, match="query is float64 but STRING was prepared in"):
        encoding.rotate(x, None, encoding.prepare(GRID[:3]))
    with pytest.raises(ArgumentError, match="built for 2 heads, got a query with 3"):
        rotate(encoding, activations(12, heads=3), GRID)

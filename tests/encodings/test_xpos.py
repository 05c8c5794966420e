"""xPos against the authors' formula in complex numbers, and where its numbers end."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError

DIM = 8


def activations(seq: int = 11, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(2, heads, seq, DIM, generator=generator, dtype=torch.float64).to(dtype)
        for heads in (6, 2)
    )


def by_hand(x: torch.Tensor, positions: list[float], sign: int, centre: float) -> torch.Tensor:
    """`x zeta^(sign (m - c) / 512) e^(i m w)`, one complex number for each pair of neighbours."""
    factor = torch.zeros(len(positions), DIM // 2, dtype=torch.complex128)
    for row, position in enumerate(positions):
        for pair in range(DIM // 2):
            zeta = (2 * pair / DIM + 0.4) / 1.4
            gain = zeta ** (sign * (position - centre) / 512)
            angle = position * 10_000 ** (-2 * pair / DIM)
            factor[row, pair] = complex(gain * math.cos(angle), gain * math.sin(angle))
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * factor).flatten(-2)


@pytest.mark.parametrize("centre", [0.0, 6.0, -3.5])
def test_equals_complex_arithmetic(centre: float) -> None:
    xpos, (query, key) = phasor.XPos(DIM, centre=centre), activations()
    positions = [0, 1, 2, 3, 5, 8, 13, 21, 340, 1700, 9000]
    prepared = xpos.prepare(torch.tensor(positions), dtype=torch.float64)
    turned_query, turned_key = xpos.rotate(query, key, prepared)
    assert_close(turned_query, by_hand(query, positions, 1, centre), rtol=1e-11, atol=1e-11)
    assert_close(turned_key, by_hand(key, positions, -1, centre), rtol=1e-11, atol=1e-11)


def test_torchscale_centres_each_sequence() -> None:
    """Its positions for the decay are range(-L // 2, ...), so -ceil(L / 2) is where it starts."""
    length = 11
    assert range(-length // 2, length - length // 2)[0] == -((length + 1) // 2)
    xpos, (query, key) = phasor.XPos(DIM, centre=(length + 1) // 2), activations(length)
    prepared = xpos.prepare(torch.arange(length), dtype=torch.float64)
    turned, _ = xpos.rotate(query, key, prepared)
    assert_close(turned, by_hand(query, list(range(length)), 1, 6))


def test_scores_do_not_depend_on_the_centre() -> None:
    query, key = activations()
    query = query[:, :2]
    scores = []
    for centre in (0.0, 5.0, 4000.0):
        xpos = phasor.XPos(DIM, centre=centre)
        turned = xpos.rotate(query, key, xpos.prepare(torch.arange(11), dtype=torch.float64))
        scores.append(turned[0] @ turned[1].transpose(-1, -2))
    assert_close(scores[1], scores[0])
    assert_close(scores[2], scores[0])


def test_a_pair_fades_with_the_distance() -> None:
    """Without the rotation (a base so large that nothing turns): zeta to the distance over 512."""
    xpos = phasor.XPos(DIM, base=1e300)
    query = torch.zeros(1, 1, 1, DIM, dtype=torch.float64)
    query[..., 2] = 1.0
    near, far = torch.tensor([100]), torch.tensor([1124])
    _, key = xpos.rotate(query, query, xpos.prepare(near, dtype=torch.float64))
    for at, distance in ((near, 0), (far, 1024)):
        turned, _ = xpos.rotate(query, None, xpos.prepare(at, dtype=torch.float64))
        product = (turned * key).sum()
        assert_close(product, torch.tensor((0.25 + 0.4) / 1.4).double() ** (distance / 512))


def test_half_layout_is_the_same_in_other_places() -> None:
    query, _ = activations()
    order = torch.arange(DIM).view(2, -1).T.flatten()  # half [0..3 | 4..7] to interleaved
    one, other = phasor.XPos(DIM), phasor.XPos(DIM, layout="half")
    positions = torch.arange(11)
    found, _ = other.rotate(query, None, other.prepare(positions, dtype=torch.float64))
    wanted, _ = one.rotate(query[..., order], None, one.prepare(positions, dtype=torch.float64))
    assert_close(found[..., order], wanted)


def test_half_precision_is_rounded_once() -> None:
    xpos, (query, key) = phasor.XPos(DIM), activations(dtype=torch.bfloat16)
    prepared = xpos.prepare(torch.arange(11), dtype=torch.bfloat16)
    turned, _ = xpos.rotate(query, key, prepared)
    exact = by_hand(query.double(), list(range(11)), 1, 0)
    assert turned.dtype == torch.bfloat16
    off = (turned.double() - exact).abs() > exact.abs() * 2**-8 * 1.001
    assert not off.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_refuses_positions_beyond_the_range_of_numbers(dtype: torch.dtype) -> None:
    xpos = phasor.XPos(DIM, centre=50.0)
    reach = int(xpos.reach(dtype))
    last = torch.tensor([50 + reach, 50 - reach])
    ones = torch.ones(1, 1, 2, DIM, dtype=dtype)
    for turned in xpos.rotate(ones, ones, xpos.prepare(last, dtype=dtype)):
        assert turned.isfinite().all()
        assert turned.abs().amax(-1).min() > torch.finfo(dtype).tiny
    for beyond in (51 + reach, 49 - reach):
        with pytest.raises(PositionRangeError, match=f"from its centre 50 .* asked for {beyond};"):
            xpos.prepare(torch.tensor([50, beyond]), dtype=dtype)
        with pytest.raises(PositionRangeError, match="move the centre"):
            xpos.prepare(torch.tensor([50]), key_positions=torch.tensor([beyond]), dtype=dtype)


def test_the_reach_that_the_docstring_names() -> None:
    """Where (1 / zeta_0)^(n / 512) = 3.5^(n / 512) is the square root of the smallest number."""
    for dtype, tokens in ((torch.float32, 17_847), (torch.bfloat16, 17_847), (torch.float16, 1983)):
        smallest = torch.finfo(dtype).tiny
        assert 3.5 ** (tokens / 512) <= smallest**-0.5 < 3.5 ** ((tokens + 1) / 512)
        assert int(phasor.XPos(64).reach(dtype)) == tokens


def test_gradients() -> None:
    xpos, (query, key) = phasor.XPos(DIM), activations(3)
    prepared = xpos.prepare(torch.arange(3), dtype=torch.float64)
    inputs = (query[:1].requires_grad_(), key[:1].requires_grad_())
    assert torch.autograd.gradcheck(lambda *x: xpos.rotate(*x, prepared), inputs)


def test_refuses_what_does_not_fit() -> None:
    for bad, message in (
        ({"scale_base": 0.0}, "scale_base must be positive, got 0.0"),
        ({"gamma": -0.4}, "gamma must be positive, got -0.4"),
        ({"centre": math.inf}, "centre must be a finite position"),
        ({"base": 0.0}, "base must be a positive number"),
        ({"layout": "pairs"}, "layout must be one of"),
    ):
        with pytest.raises(ArgumentError, match=message):
            phasor.XPos(DIM, **bad)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="rotary_dim must be even"):
        phasor.XPos(7)
    xpos, (query, key) = phasor.XPos(DIM), activations()
    prepared = xpos.prepare(torch.arange(11))
    with pytest.raises(ArgumentTypeError, match=r"XPos was prepared in torch\.float32"):
        xpos.rotate(query, key, prepared)
    with pytest.raises(ArgumentError, match="built for head_dim 8, got a key"):
        xpos.rotate(query.float(), key[..., :4].float(), prepared)
    with pytest.raises(ArgumentError, match="prepared for 11 positions but key has 10"):
        xpos.rotate(query.float(), key[:, :, 1:].float(), prepared)

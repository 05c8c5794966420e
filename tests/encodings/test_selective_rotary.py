"""Selective RoPE against its sum of angles, token by token in plain Python."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores

DIM, HEADS, KV_HEADS, HEAD_DIM = 8, 4, 2, 6
PAIRS = HEAD_DIM // 2


def drawn(**options: int) -> phasor.SelectiveRotary:
    selective = phasor.SelectiveRotary(
        DIM, HEAD_DIM, num_heads=KV_HEADS, rank=3, base=100.0, **options
    ).double()
    selective.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in selective.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return selective


def inputs(seq: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, seq, DIM, dtype=torch.float64, generator=generator)
    query = torch.randn(2, HEADS, seq, HEAD_DIM, dtype=torch.float64, generator=generator)
    key = torch.randn(2, KV_HEADS, seq, HEAD_DIM, dtype=torch.float64, generator=generator)
    return hidden, query, key


def angles(selective: phasor.SelectiveRotary, hidden: Tensor, head: int, pair: int) -> list[float]:
    """The angle of each token of `hidden` `[seq, dim]`."""
    channel, part = PAIRS * head + pair, DIM // KV_HEADS
    steps = []
    for x in hidden.tolist():
        unit = []
        for start in range(0, DIM, part):
            length = math.sqrt(sum(value**2 for value in x[start : start + part]) + 1e-6)
            unit += [value / length for value in x[start : start + part]]
        narrow = selective.down @ torch.tensor(unit, dtype=torch.float64)
        steps.append(float(selective.up[channel] @ narrow))
    angle, found = 0.0, []
    for t in range(len(steps)):
        for lag in range(min(t + 1, selective.width)):
            angle_step = float(selective.taps[channel, selective.width - 1 - lag]) * steps[t - lag]
            angle += angle_step * 100.0 ** (-2 * pair / HEAD_DIM)
        found.append(angle)
    return found


@pytest.mark.parametrize("width", [1, 4])
def test_scores_are_products_of_complex_numbers(width: int) -> None:
    selective = drawn(width=width)
    hidden, query, key = inputs()
    prepared = selective.prepare(torch.arange(7), dtype=torch.float64)
    features = selective.observe(hidden)
    scores = attention_scores(query, key, selective, prepared, features=features)
    for batch in range(2):
        for head in range(HEADS):
            expected = torch.zeros(7, 7, dtype=torch.float64)
            for pair in range(PAIRS):
                turned = angles(selective, hidden[batch], head // 2, pair)
                ends = [
                    [
                        complex(x[t, pair], x[t, pair + PAIRS])
                        * complex(math.cos(turned[t]), math.sin(turned[t]))
                        for t in range(7)
                    ]
                    for x in (query[batch, head], key[batch, head // 2])
                ]
                for m in range(7):
                    for n in range(7):
                        expected[m, n] += (ends[0][m] * ends[1][n].conjugate()).real
            expected /= math.sqrt(HEAD_DIM)
            assert_close(scores[batch, head], expected, rtol=1e-12, atol=1e-12)


def test_tokens_that_all_advance_by_one_are_rope() -> None:
    """One channel of the input, one of rank, one tap: each token advances by exactly 1."""
    selective = phasor.SelectiveRotary(1, 8, num_heads=1, rank=1, width=1, base=10_000.0).double()
    for parameter in selective.parameters():
        torch.nn.init.ones_(parameter)
    hidden = torch.full((1, 9, 1), 1e6, dtype=torch.float64)
    query, key = torch.randn(2, 1, 1, 9, 8, dtype=torch.float64)
    prepared = selective.prepare(torch.arange(9), dtype=torch.float64)
    seen = selective.look(prepared, query, key, selective.observe(hidden))
    rotary = phasor.Rotary(8)
    turned = rotary.rotate(query, key, rotary.prepare(torch.arange(1, 10), dtype=torch.float64))
    for found, expected in zip(selective.rotate(query, key, seen), turned, strict=True):
        assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_angles_stay_exact_over_a_million_tokens() -> None:
    """A sum in float32 would have lost them."""
    selective = phasor.SelectiveRotary(1, 2, num_heads=1, rank=1, width=1)
    for parameter in selective.parameters():
        torch.nn.init.ones_(parameter)
    selective.requires_grad_(False)
    seq = 1_000_000
    query = torch.tensor([1.0, 0.0]).expand(1, 1, seq, 2)
    features = selective.observe(torch.full((1, seq, 1), 1e6))
    seen = selective.look(selective.prepare(torch.arange(seq)), query, query, features)
    turned, _ = selective.rotate(query[:, :, -1:], None, seen)
    assert turned[0, 0, 0, 0].item() == pytest.approx(math.cos(1e6), abs=1e-6)
    assert turned[0, 0, 0, 1].item() == pytest.approx(math.sin(1e6), abs=1e-6)


def test_an_input_of_zeros_has_a_gradient() -> None:
    selective = phasor.SelectiveRotary(DIM, HEAD_DIM, num_heads=KV_HEADS)
    query, key = torch.randn(1, HEADS, 7, HEAD_DIM), torch.randn(1, KV_HEADS, 7, HEAD_DIM)
    hidden = torch.zeros(1, 7, DIM, requires_grad=True)
    features = selective.observe(hidden)
    phasor.attention(query, key, key, selective, features=features).sum().backward()
    assert hidden.grad is not None
    assert 0 < hidden.grad.abs().max() < 1e4


def test_a_document_does_not_see_the_one_before() -> None:
    selective = drawn()
    hidden, query, key = inputs()
    features = selective.observe(hidden)
    packed = selective.prepare(torch.tensor([0, 1, 2, 0, 1, 2, 3]), dtype=torch.float64)
    alone = selective.prepare(torch.arange(4), dtype=torch.float64)
    found = attention_scores(query, key, selective, packed, features=features)[:, :, 3:, 3:]
    expected = attention_scores(
        query[:, :, 3:], key[:, :, 3:], selective, alone, features=features[:, 3:]
    )
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_refuses_what_does_not_fit() -> None:
    selective = drawn()
    hidden, query, key = inputs()
    features = selective.observe(hidden)
    with pytest.raises(phasor.errors.ArgumentError, match=r"must divide dim, .* got 3 heads"):
        phasor.SelectiveRotary(8, 6, num_heads=3)
    with pytest.raises(phasor.errors.ArgumentError, match="width must be at least 1, got 0"):
        phasor.SelectiveRotary(8, 6, num_heads=2, width=0)
    with pytest.raises(phasor.errors.ArgumentError, match="even and at least 2, got 5"):
        phasor.SelectiveRotary(8, 5, num_heads=2)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with dim=5"):
        selective.observe(torch.randn(1, 7, 5))
    with pytest.raises(phasor.errors.ArgumentError, match="features of all 7 keys"):
        phasor.attention(query, key, key, selective, features=features[:, :6])
    with pytest.raises(phasor.errors.ArgumentError, match="head_dim 6, got a query"):
        phasor.attention(query[..., :4], key[..., :4], key, selective, features=features)

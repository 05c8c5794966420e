"""PaTH against products of dense matrices, one by one, and FoX beside it."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores

DIM, HEADS, KV_HEADS, HEAD_DIM = 6, 4, 2, 4


def drawn(**options: int) -> phasor.PaTH:
    path = phasor.PaTH(DIM, HEAD_DIM, num_heads=KV_HEADS, rank=3, **options).double()
    path.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in path.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return path


def inputs(seq: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, seq, DIM, dtype=torch.float64, generator=generator)
    query = torch.randn(2, HEADS, seq, HEAD_DIM, dtype=torch.float64, generator=generator)
    key = torch.randn(2, KV_HEADS, seq, HEAD_DIM, dtype=torch.float64, generator=generator)
    return hidden, query, key


def matrices(path: phasor.PaTH, hidden: Tensor, head: int) -> list[Tensor]:
    """The matrix of each token of `hidden` `[seq, dim]`."""
    own = slice(HEAD_DIM * head, HEAD_DIM * (head + 1))
    projected = [path.up[own] @ (path.down @ x) for x in hidden]
    made = []
    for t, x in enumerate(hidden):
        mixed = torch.zeros(HEAD_DIM, dtype=torch.float64)
        for lag in range(min(t + 1, path.width)):
            mixed += path.taps[own, path.width - 1 - lag] * projected[t - lag]
        mixed = mixed / (1 + (-mixed).exp())
        unit = mixed / math.sqrt(sum(float(value) ** 2 for value in mixed) + 1e-6)
        logit = float(path.gate[head] @ x + path.gate_bias[head])
        beta = 2 / (1 + math.exp(-logit))
        made.append(torch.eye(HEAD_DIM, dtype=torch.float64) - beta * torch.outer(unit, unit))
    return made


@pytest.mark.parametrize("width", [1, 3])
def test_scores_are_products_of_matrices(width: int) -> None:
    path = drawn(width=width)
    hidden, query, key = inputs()
    prepared = path.prepare(torch.arange(7), dtype=torch.float64)
    scores = attention_scores(query, key, path, prepared, features=path.observe(hidden))
    for batch in range(2):
        for head in range(HEADS):
            step = matrices(path, hidden[batch], head // 2)
            for n in range(7):
                carried = key[batch, head // 2, n]
                for m in range(7):
                    if m > n:  # the nearest to the query is applied last, and so stands first
                        carried = step[m] @ carried
                    expected = float(query[batch, head, m] @ carried) / math.sqrt(HEAD_DIM)
                    assert float(scores[batch, head, m, n]) == pytest.approx(expected, abs=1e-12)


def test_the_last_queries_alone() -> None:
    path = drawn()
    hidden, query, key = inputs()
    whole = path.prepare(torch.arange(7), dtype=torch.float64)
    part = path.prepare(torch.arange(4, 7), key_positions=torch.arange(7), dtype=torch.float64)
    features = path.observe(hidden)
    expected = attention_scores(query, key, path, whole, features=features)[:, :, 4:]
    found = attention_scores(query[:, :, 4:], key, path, part, features=features)
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_no_product_makes_anything_longer_even_over_a_long_way_in_float32() -> None:
    path = drawn().float()
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(1, 600, DIM, generator=generator)
    query, key = torch.randn(2, 1, KV_HEADS, 600, HEAD_DIM, generator=generator)
    scores = [
        attention_scores(
            query.to(dtype),
            key.to(dtype),
            path.to(dtype),
            path.prepare(torch.arange(600), dtype=dtype),
            features=path.observe(hidden.to(dtype)),
        )
        for dtype in (torch.float64, torch.float32)
    ]
    limit = query.norm(dim=-1)[..., None] * key.norm(dim=-1)[..., None, :] / math.sqrt(HEAD_DIM)
    assert bool((scores[0].abs() <= limit * (1 + 1e-5)).all())
    assert_close(scores[1].double(), scores[0], rtol=1e-4, atol=1e-4)


def test_an_input_of_zeros_has_a_gradient() -> None:
    path = phasor.PaTH(DIM, HEAD_DIM, num_heads=KV_HEADS)
    query, key = torch.randn(1, HEADS, 7, HEAD_DIM), torch.randn(1, KV_HEADS, 7, HEAD_DIM)
    hidden = torch.zeros(1, 7, DIM, requires_grad=True)
    phasor.attention(query, key, key, path, features=path.observe(hidden)).sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.abs().max() < 1e4


@pytest.mark.parametrize("order", [1, -1])
def test_fox_beside_it_adds_what_it_adds(order: int) -> None:
    path, fox = drawn(), phasor.FoX(DIM, HEADS).double().requires_grad_(False)
    both = phasor.Compose(*[path, fox][::order])
    hidden, query, key = inputs()
    positions = torch.arange(7)

    def scores(encoding: phasor.PositionEncoding) -> Tensor:
        prepared = encoding.prepare(positions, dtype=torch.float64)
        return attention_scores(query, key, encoding, prepared, features=encoding.observe(hidden))

    extra = scores(fox) - scores(phasor.NoPE())
    assert_close(scores(both), scores(path) + extra, rtol=1e-12, atol=1e-12)
    assert (scores(path) - scores(phasor.NoPE())).abs().max() > 0.1


def test_path_fox_is_the_authors() -> None:
    """flash-linear-attention, bc3b101d, `naive_path_attn`: softmax of scale * (product + gates)."""
    path, fox = drawn(), phasor.FoX(DIM, HEADS, scale=HEAD_DIM**-0.5).double()
    fox.requires_grad_(False)
    hidden, query, key = inputs()
    value = torch.randn(2, KV_HEADS, 7, HEAD_DIM, dtype=torch.float64)
    both = phasor.Compose(path, fox)
    found = phasor.attention(query, key, value, both, features=both.observe(hidden))
    for batch in range(2):
        gates = [
            [
                -math.log1p(math.exp(-float(fox.gate[head] @ x + fox.gate_bias[head])))
                for x in hidden[batch]
            ]
            for head in range(HEADS)
        ]
        for head in range(HEADS):
            step = matrices(path, hidden[batch], head // 2)
            for m in range(7):
                logits, carried = [], query[batch, head, m]
                for n in range(m, -1, -1):  # the key is met before the step of its own token
                    product = float(carried @ key[batch, head // 2, n])
                    logits.append((product + sum(gates[head][n + 1 : m + 1])) / math.sqrt(HEAD_DIM))
                    carried = step[n] @ carried
                weights = torch.tensor(logits[::-1], dtype=torch.float64).softmax(0)
                wanted = weights @ value[batch, head // 2, : m + 1]
                assert_close(found[batch, head, m], wanted, rtol=1e-10, atol=1e-10)


def test_a_document_does_not_see_the_one_before() -> None:
    path = drawn()
    hidden, query, key = inputs()
    features = path.observe(hidden)
    positions = torch.tensor([0, 1, 2, 0, 1, 2, 3])
    packed = path.prepare(positions, dtype=torch.float64)
    alone = path.prepare(torch.arange(4), dtype=torch.float64)
    found = attention_scores(query, key, path, packed, features=features)[:, :, 3:, 3:]
    expected = attention_scores(
        query[:, :, 3:], key[:, :, 3:], path, alone, features=features[:, 3:]
    )
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_positions_with_gaps_are_neighbours_still() -> None:
    """Skips and interpolation move positions apart or together; they tear no text apart."""
    path = drawn()
    hidden, query, key = inputs()
    scores = [
        attention_scores(
            query,
            key,
            path,
            path.prepare(positions, dtype=torch.float64),
            features=path.observe(hidden),
        )
        for positions in (torch.arange(7), torch.arange(7) / 4, torch.arange(7) * 5 + 3)
    ]
    assert_close(scores[1], scores[0], rtol=0, atol=0)
    assert_close(scores[2], scores[0], rtol=0, atol=0)


def test_refuses_what_does_not_fit() -> None:
    path = drawn()
    hidden, query, key = inputs()
    features = path.observe(hidden)
    with pytest.raises(phasor.errors.ArgumentError, match="rank must be at least 1, got 0"):
        phasor.PaTH(6, 4, num_heads=2, rank=0)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with dim=5"):
        path.observe(torch.randn(1, 7, 5))
    with pytest.raises(phasor.errors.ArgumentError, match="features of all 7 keys"):
        phasor.attention(query, key, key, path, features=features[:, :6])
    with pytest.raises(phasor.errors.ArgumentError, match="7 queries and only 6 keys"):
        phasor.attention(
            query,
            key[:, :, :6],
            key[:, :, :6],
            path,
            features=features[:, :6],
            positions=torch.arange(7),
            key_positions=torch.arange(6),
            causal=False,
        )
    with pytest.raises(phasor.errors.ArgumentError, match="2 heads, got a key with 4"):
        phasor.attention(query, query, query, path, features=features)

"""FoX against its recurrence, step by step in plain Python."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores


def drawn(dim: int = 6, num_heads: int = 3) -> phasor.FoX:
    fox = phasor.FoX(dim, num_heads).double()
    fox.requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in fox.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return fox


def test_scores_are_products_of_gates() -> None:
    fox = drawn()
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, 7, 6, dtype=torch.float64, generator=generator)
    query, key = torch.randn(2, 2, 3, 7, 4, dtype=torch.float64, generator=generator)
    prepared = fox.prepare(torch.arange(7), dtype=torch.float64)
    scores = attention_scores(query, key, fox, prepared, features=fox.observe(hidden))
    for batch, head, m in ((0, 0, 6), (1, 2, 3)):
        for n in range(m + 1):
            product = math.prod(
                1 / (1 + math.exp(-float(fox.gate[head] @ hidden[batch, t] + fox.gate_bias[head])))
                for t in range(n + 1, m + 1)
            )
            expected = float(query[batch, head, m] @ key[batch, head, n]) / 2 + math.log(product)
            assert float(scores[batch, head, m, n]) == pytest.approx(expected, abs=1e-12)


def test_data_dependent_alibi_is_another_bias() -> None:
    """x-transformers: sums of log-sigmoids up to each token, that of the query less the key's."""
    fox = phasor.FoX(6, 3, bias=5.0).double().requires_grad_(False)
    hidden = torch.randn(1, 7, 6, dtype=torch.float64)
    zero = torch.zeros(1, 3, 7, 4, dtype=torch.float64)
    prepared = fox.prepare(torch.arange(7), dtype=torch.float64)
    scores = attention_scores(zero, zero, fox, prepared, features=fox.observe(hidden))
    for head in range(3):
        sums = [0.0]
        for t in range(7):
            logit = 5.0 + sum(float(fox.gate[head, c] * hidden[0, t, c]) for c in range(6))
            sums.append(sums[-1] - math.log1p(math.exp(-logit)))
        for m in range(7):
            for n in range(m + 1):
                expected = sums[m + 1] - sums[n + 1]
                assert float(scores[0, head, m, n]) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(phasor.errors.ArgumentError, match="bias must be finite, got inf"):
        phasor.FoX(6, 3, bias=math.inf)
    for scale in (0, -1.0, math.nan):
        with pytest.raises(phasor.errors.ArgumentError, match="scale must be positive, got"):
            phasor.FoX(6, 3, scale=scale)


def test_gates_that_never_forget_leave_the_scores_alone() -> None:
    fox = drawn()
    fox.gate_bias.fill_(1e3)
    hidden = torch.randn(1, 7, 6, dtype=torch.float64)
    query, key, value = torch.randn(3, 1, 3, 7, 4, dtype=torch.float64)
    out = phasor.attention(query, key, value, fox, features=fox.observe(hidden))
    assert_close(out, phasor.attention(query, key, value), rtol=1e-12, atol=1e-12)


def test_the_input_of_the_layer_is_asked_for() -> None:
    query = torch.randn(1, 3, 7, 4)
    with pytest.raises(phasor.errors.SiteError, match=r"call encoding\.observe"):
        phasor.attention(query, query, query, phasor.FoX(6, 3))


def test_an_input_of_another_width() -> None:
    with pytest.raises(phasor.errors.ArgumentError, match="build it with dim=5"):
        phasor.FoX(6, 3).observe(torch.randn(1, 7, 5))


def test_gates_of_other_tokens_than_the_keys() -> None:
    fox = drawn()
    query, key, value = torch.randn(3, 1, 3, 7, 4, dtype=torch.float64)
    for tokens in (6, 8):
        features = fox.observe(torch.randn(1, tokens, 6, dtype=torch.float64))
        with pytest.raises(phasor.errors.ArgumentError, match="needs features of all 7 keys"):
            phasor.attention(query, key, value, fox, features=features)


def test_the_lab_gives_each_layer_its_own() -> None:
    from phasor.encodings.catalogue import ModelShape
    from phasor.encodings.spelling import parse_spelling

    shape = ModelShape(dim=16, head_dim=8, num_heads=2, num_positions=8)
    whole = parse_spelling("fox").build(shape, 3)
    assert len(whole.distinct) == 3
    mixed = parse_spelling("alibi/fox").build(shape, 4)
    assert len(mixed.distinct) == 3
    assert mixed[0] is mixed[2]
    assert mixed[1] is not mixed[3]


def test_neighbours_far_out_are_as_exact_as_near() -> None:
    fox = drawn().float()
    hidden = torch.randn(1, 40_000, 6, generator=torch.Generator().manual_seed(2))
    query = torch.zeros(1, 3, 2, 4)
    key = torch.zeros(1, 3, 40_000, 4)
    prepared = fox.prepare(torch.arange(39_998, 40_000), key_positions=torch.arange(40_000))
    features = fox.observe(hidden)
    scores = attention_scores(query, key, fox, prepared, features=features)
    assert_close(scores[0, :, -1, -2], features[0, -1], rtol=1e-6, atol=1e-7)

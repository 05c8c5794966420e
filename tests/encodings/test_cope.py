"""CoPE against its definition, counted key by key."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores


def drawn(head_dim: int, num_counts: int) -> phasor.CoPE:
    cope = phasor.CoPE(head_dim, num_counts=num_counts).double().requires_grad_(False)
    torch.nn.init.normal_(cope.weight, generator=torch.Generator().manual_seed(0))
    return cope


@pytest.mark.parametrize("num_counts", [3, 20])
def test_scores_equal_the_definition(num_counts: int) -> None:
    """With few vectors most counts are cut off; the queries are the last six of nine tokens."""
    cope = drawn(4, num_counts)
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(2, 4, 6, 4, dtype=torch.float64, generator=generator)
    key = torch.randn(2, 2, 9, 4, dtype=torch.float64, generator=generator)
    where = torch.arange(9)
    prepared = cope.prepare(where[3:], key_positions=where, dtype=torch.float64)
    scores = attention_scores(query, key, cope, prepared)
    for batch, head, m in ((0, 0, 0), (1, 3, 5), (0, 2, 3)):
        plain = [float(query[batch, head, m] @ key[batch, head // 2, n]) / 2 for n in range(9)]
        for n in range(m + 4):
            count = sum(1 / (1 + math.exp(-plain[j])) for j in range(n, m + 4))
            count = min(count, num_counts - 1)
            low, high = math.floor(count), math.ceil(count)
            share = count - low
            vector = (1 - share) * cope.weight[low] + share * cope.weight[high]
            expected = plain[n] + float(query[batch, head, m] @ vector)
            assert float(scores[batch, head, m, n]) == pytest.approx(expected, abs=1e-12)


def test_keys_after_the_query_do_not_count() -> None:
    cope = drawn(4, 20)
    query, key = torch.randn(2, 1, 2, 7, 4, dtype=torch.float64)
    prepared = cope.prepare(torch.arange(7), dtype=torch.float64)
    scores = attention_scores(query, key, cope, prepared)
    plain = query @ key.mT / 2
    after = torch.ones(7, 7, dtype=torch.bool).triu(1)
    at_zero = (query @ cope.weight[0])[..., None]
    assert_close(scores[..., after], (plain + at_zero)[..., after])


def test_blocks_of_rows_equal_the_whole() -> None:
    cope = drawn(4, 20)
    query, key = torch.randn(2, 2, 3, 8, 4, dtype=torch.float64)
    prepared = cope.look(cope.prepare(torch.arange(8), dtype=torch.float64), query, key)
    score_mod = cope.score_mod(prepared)
    whole = attention_scores(query, key, cope, cope.prepare(torch.arange(8), dtype=torch.float64))
    batch, head = torch.arange(2).view(-1, 1, 1, 1), torch.arange(3).view(1, -1, 1, 1)
    rows, keys = torch.arange(3, 6).view(1, 1, -1, 1), torch.arange(6).view(1, 1, 1, -1)
    score = (query @ key.mT / 2)[:, :, 3:6, :6]
    assert_close(score_mod(score, batch, head, rows, keys), whole[:, :, 3:6, :6])


def test_one_score_at_a_time_is_refused() -> None:
    cope, query = phasor.CoPE(4), torch.randn(1, 2, 5, 4)
    prepared = cope.look(cope.prepare(torch.arange(5)), query, query)
    with pytest.raises(phasor.errors.ArgumentError, match=r"CoPE counts over the scores.*'auto'"):
        cope.score_mod(prepared)(torch.tensor(0.5), *torch.zeros(4, dtype=torch.long))
    assert cope.score_needs_row
    assert phasor.Compose(phasor.Rotary(4), cope).score_needs_row


def test_starts_without_any_bias() -> None:
    query, key, value = torch.randn(3, 1, 2, 6, 4)
    found = phasor.attention(query, key, value, phasor.CoPE(4))
    assert_close(found, phasor.attention(query, key, value))


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(phasor.errors.ArgumentError, match="num_counts must be at least 1, got 0"):
        phasor.CoPE(4, num_counts=0)
    query = torch.randn(1, 2, 5, 6)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with head_dim=6"):
        phasor.attention(query, query, query, phasor.CoPE(8))
    cope = phasor.CoPE(4).double()
    prepared = cope.prepare(torch.arange(5))
    with pytest.raises(phasor.errors.ArgumentTypeError, match="dtype"):
        cope.look(prepared, query[..., :4].double(), query[..., :4].double())

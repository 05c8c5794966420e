"""Tables that content makes: one score at a time and all of them are the same numbers."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores
from phasor.encodings._bases.by_distance import of_key, of_query

MAKE: dict[str, Callable[[], phasor.PositionEncoding]] = {
    "shaw": lambda: phasor.Shaw(4, max_distance=3),
    "transformer-xl": lambda: phasor.TransformerXL(6, 4, 4),
    "deberta": lambda: phasor.DeBERTa(6, 4, 4, max_distance=6, num_buckets=4),
    "decomposed": lambda: phasor.DecomposedBias(4, window=(9,)),
    "relative-logits": lambda: phasor.RelativeLogits(6, 4, extent=3, rank=2),
}


@pytest.mark.parametrize("name", MAKE)
def test_one_score_equals_that_of_all(name: str) -> None:
    encoding = MAKE[name]().double().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in encoding.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    query = torch.randn(2, 4, 5, 4, dtype=torch.float64, generator=generator)
    key = torch.randn(2, 2, 9, 4, dtype=torch.float64, generator=generator)
    hidden = torch.randn(2, 9, 6, dtype=torch.float64, generator=generator)
    where = torch.stack((torch.arange(9), torch.arange(9).flip(0)))
    prepared = encoding.prepare(where[:, 4:], key_positions=where, dtype=torch.float64)
    features = encoding.observe(hidden)
    whole = attention_scores(query, key, encoding, prepared, features=features)
    seen = encoding.look(prepared, query, key, features)
    turned, _ = encoding.rotate(query, None, seen)
    plain = turned @ key.repeat_interleave(2, 1).mT / 2
    score_mod = encoding.score_mod(seen)
    assert score_mod is not None
    for at in itertools.product(range(2), range(4), (0, 3), (0, 4, 8)):
        found = score_mod(plain[at], *(torch.tensor(index) for index in at))
        assert_close(found, whole[at], rtol=1e-12, atol=1e-12)


def test_a_block_is_gathered_as_it_would_be_indexed() -> None:
    table = torch.randn(2, 4, 9, 5)
    batch, head = torch.arange(2).view(-1, 1, 1, 1), torch.arange(4).view(1, -1, 1, 1)
    rows, keys = torch.arange(1, 4).view(1, 1, -1, 1), torch.arange(2, 8).view(1, 1, 1, -1)
    row = (rows - keys).clamp(-2, 2) + 2
    for look_up, index in ((of_query, rows), (of_key, keys)):
        found = look_up(table, batch, head, index, row)
        assert_close(found, table[batch, head, index, row], rtol=0, atol=0)


def test_other_heads_and_less_precision_are_refused() -> None:
    query = torch.randn(1, 2, 5, 4)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with num_heads=2"):
        phasor.attention(query, query, query, phasor.TransformerXL(6, 4, 4))
    shaw = phasor.Shaw(4)
    with pytest.raises(phasor.errors.ArgumentTypeError, match=r"dtype=torch\.float64"):
        shaw.look(shaw.prepare(torch.arange(5)), query.double(), query.double())

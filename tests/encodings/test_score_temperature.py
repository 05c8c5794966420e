"""Score temperature against its formula; the model that has it is in tests/checkpoints."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.attention import attention_scores
from phasor.errors import ArgumentError

FORMULA = [1.0, 1.0, 1.0, 1 + 0.5 * math.log(4 / 3), 1 + 0.5 * math.log(1001 / 3)]


def test_scores_grow_with_what_was_added_to_them() -> None:
    where = torch.tensor([0, 1, 2, 3, 1000])
    query, key = torch.randn(2, 1, 2, 5, 4, dtype=torch.float64)
    alibi = phasor.ALiBi(2)
    both = phasor.Compose(alibi, phasor.ScoreTemperature(3, coefficient=0.5))
    assert not both.score_is_bias
    plain, grown = (
        attention_scores(query, key, each, each.prepare(where, dtype=query.dtype))
        for each in (alibi, both)
    )
    assert_close(grown, plain * torch.tensor(FORMULA, dtype=torch.float64)[:, None])


@pytest.mark.parametrize("impl", ["reference", "blockwise"])
def test_positions_of_each_sequence(impl: str) -> None:
    encoding, query = phasor.ScoreTemperature(3), torch.randn(2, 2, 5, 16)
    where = torch.tensor([[0, 1, 2, 3, 4], [90, 91, 92, 93, 94]])
    both = phasor.attention(query, query, query, encoding, positions=where, impl=impl)
    for row in range(2):
        alone = query[row : row + 1]
        expected = phasor.attention(alone, alone, alone, encoding, positions=where[row], impl=impl)
        assert_close(both[row : row + 1], expected)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="original_seq_len must be at least 1, got 0"):
        phasor.ScoreTemperature(0)
    with pytest.raises(ArgumentError, match=r"coefficient must be positive, got 0; 0.1 is"):
        phasor.ScoreTemperature(8, coefficient=0)
    encoding, query = phasor.ScoreTemperature(3), torch.randn(1, 2, 5, 16)
    prepared = encoding.prepare(torch.arange(4))
    with pytest.raises(ArgumentError, match="prepared for 4 positions but query has 5"):
        phasor.attention(query, query, query, encoding, prepared=prepared)

"""Relative logits against transformers' Inkling."""

import pytest
import torch
from torch.testing import assert_close
from transformers.models.inkling.modeling_inkling import InklingRelativeLogits

import phasor
from phasor.attention import attention_scores


@pytest.mark.parametrize("start", [0, 9])
def test_bias_equals_inkling(start: int) -> None:
    """For all queries, and for the last ones after a cache."""
    torch.manual_seed(0)
    ours = phasor.RelativeLogits(6, 3, extent=5, rank=2).double()
    theirs = InklingRelativeLogits(2, 5).double()
    torch.nn.init.normal_(theirs.proj)
    torch.nn.init.normal_(ours.mix)
    with torch.no_grad():
        ours.bank.copy_(theirs.proj)
    hidden = torch.randn(2, 12, 6, dtype=torch.float64)
    mixes = (hidden @ ours.mix.T).view(2, 12, 3, 2)
    expected = theirs(mixes[:, start:], torch.arange(start, 12), torch.arange(12))
    prepared = ours.prepare(
        torch.arange(start, 12), key_positions=torch.arange(12), dtype=torch.float64
    )
    query = torch.zeros(2, 3, 12 - start, 4, dtype=torch.float64)
    key = torch.zeros(2, 1, 12, 4, dtype=torch.float64)
    found = attention_scores(query, key, ours, prepared, features=ours.observe(hidden))
    assert expected.count_nonzero() > 0
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(phasor.errors.ArgumentError, match="extent must be at least 1, got 0"):
        phasor.RelativeLogits(6, 3, extent=0)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with dim=5"):
        phasor.RelativeLogits(6, 3).observe(torch.randn(1, 7, 5))

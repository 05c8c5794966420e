"""Scalable softmax against Mistral Large 4 in transformers."""

import pytest
import torch
from torch.testing import assert_close
from transformers.models.mistral_large4.modeling_mistral_large4 import (
    MistralLarge4TextSoftmaxScaling,
)

import phasor
from phasor.errors import ArgumentError


def trained() -> tuple[phasor.SSMax, MistralLarge4TextSoftmaxScaling]:
    ours, theirs = phasor.SSMax(3), MistralLarge4TextSoftmaxScaling(3)
    with torch.no_grad():
        for mine, other in ((ours.slope, theirs.scale), (ours.bias, theirs.bias)):
            mine.normal_()
            other.copy_(mine)
    return ours, theirs


@pytest.mark.parametrize("batch", [1, 2])
def test_equals_mistral(batch: int) -> None:
    ours, theirs = trained()
    positions = torch.randint(0, 2**20, (batch, 5))
    query = torch.randn(2, 3, 5, 8)
    scaled, key = ours.rotate(query, query, ours.prepare(positions))
    assert_close(scaled, theirs(query, positions.expand(2, -1), head_dim_first=True))
    assert_close(key, query, rtol=0, atol=0)


def test_starts_as_no_change_and_learns() -> None:
    ssmax, query = phasor.SSMax(3), torch.randn(1, 3, 4, 8, dtype=torch.float64)
    prepared = ssmax.prepare(torch.arange(4), dtype=query.dtype)
    scaled, _ = ssmax.rotate(query, None, prepared)
    assert_close(scaled, query)
    scaled.sum().backward()
    expected = (query.sum(-1)[0] * torch.arange(1, 5).double().log()).sum(-1)
    assert_close(ssmax.slope.grad, expected.float())


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="num_heads must be at least 1, got 0"):
        phasor.SSMax(0)
    ssmax = phasor.SSMax(2)
    with pytest.raises(ArgumentError, match="for 2 heads but the query has 4; build it with"):
        ssmax.rotate(torch.ones(1, 4, 3, 2), None, ssmax.prepare(torch.arange(3)))
    with pytest.raises(ArgumentError, match="prepared for 3 positions but query has 4"):
        ssmax.rotate(torch.ones(1, 2, 4, 2), None, ssmax.prepare(torch.arange(3)))

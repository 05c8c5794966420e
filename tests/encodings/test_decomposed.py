"""The bias of ViTDet against its code in transformers."""

import pytest
import torch
from torch.testing import assert_close
from transformers.models.vitdet.modeling_vitdet import (
    add_decomposed_relative_positions,
    get_rel_pos,
)

import phasor
from phasor.attention import attention_scores


def drawn(*window: int) -> phasor.DecomposedBias:
    bias = phasor.DecomposedBias(4, window=window).double().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for weight in bias.weights:
        torch.nn.init.normal_(weight, generator=generator)
    return bias


@pytest.mark.parametrize("pooled", [1, 2])
def test_scores_equal_vitdet(pooled: int) -> None:
    """Also with keys pooled from two by two patches, as in MViTv2."""
    bias = drawn(4, 6)
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(2, 3, 24, 4, dtype=torch.float64, generator=generator)
    keys = 24 // pooled**2
    key = torch.randn(2, 3, keys, 4, dtype=torch.float64, generator=generator)
    grid = phasor.positions.grid_2d(4, 6)
    keys_at = phasor.positions.grid_2d(4 // pooled, 6 // pooled) * pooled + pooled - 1
    prepared = bias.prepare(grid, key_positions=keys_at, dtype=torch.float64)
    expected = add_decomposed_relative_positions(
        (query / 2 @ key.mT).flatten(0, 1),
        query.flatten(0, 1),
        *bias.weights,
        (4, 6),
        (4 // pooled, 6 // pooled),
    )
    found = attention_scores(query, key, bias, prepared)
    assert_close(found.flatten(0, 1), expected, rtol=1e-12, atol=1e-12)


def test_three_axes_equal_a_sum_over_them() -> None:
    bias = drawn(2, 3, 4)
    query, key = torch.randn(2, 1, 2, 24, 4, dtype=torch.float64)
    grid = torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4))
    scores = attention_scores(query, key, bias, bias.prepare(grid, dtype=torch.float64))
    for head, m, n in ((0, 0, 23), (1, 23, 0), (1, 7, 14)):
        expected = float(query[0, head, m] @ key[0, head, n]) / 2
        for axis, size in enumerate((2, 3, 4)):
            row = int(grid[m, axis] - grid[n, axis]) + size - 1
            expected += float(query[0, head, m] @ bias.weights[axis][row])
        assert float(scores[0, head, m, n]) == pytest.approx(expected, abs=1e-12)


def test_resized_as_vitdet_interpolates() -> None:
    bias = drawn(4, 6)
    larger = bias.resized((7, 5))
    for size, old, new in zip((7, 5), bias.weights, larger.weights, strict=True):
        theirs = get_rel_pos(size, size, old)  # [query, key, head_dim]
        offset = torch.arange(size)[:, None] - torch.arange(size)
        assert_close(new[offset + size - 1], theirs, rtol=0, atol=0)
    assert larger.weights[0].dtype == torch.float64
    with pytest.raises(phasor.errors.ArgumentError, match="window must have 2 axes"):
        bias.resized((4,))


def test_starts_without_any_bias() -> None:
    query, key, value = torch.randn(3, 1, 2, 6, 4)
    bias, grid = phasor.DecomposedBias(4, window=(2, 3)), phasor.positions.grid_2d(2, 3)
    found = phasor.attention(query, key, value, bias, positions=grid, causal=False)
    assert_close(found, phasor.attention(query, key, value, causal=False))


def test_refuses_offsets_beyond_the_window() -> None:
    with pytest.raises(phasor.errors.PositionRangeError, match="offsets up to 1 along axis 0"):
        drawn(2, 3).prepare(phasor.positions.grid_2d(3, 3))
    with pytest.raises(phasor.errors.ArgumentError, match="head_dim must be at least 1"):
        phasor.DecomposedBias(0, window=(2, 3))

"""Transformer-XL's scores against the formula and against transformers' XLNet, table and shift."""

import math

import pytest
import torch
from torch.testing import assert_close
from transformers import XLNetConfig, XLNetModel

import phasor
from phasor.attention import attention_scores


def drawn(dim: int, head_dim: int, num_heads: int) -> phasor.TransformerXL:
    xl = phasor.TransformerXL(dim, head_dim, num_heads).double().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in xl.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return xl


def test_scores_equal_the_formula() -> None:
    xl = drawn(6, 4, 4)
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(2, 4, 3, 4, dtype=torch.float64, generator=generator)
    key = torch.randn(2, 2, 5, 4, dtype=torch.float64, generator=generator)
    where = torch.tensor([[2, 0, 40_000], [3, 1, 7]])
    keys_at = torch.tensor([[0, 9, 2, 3, 70_000], [5, 6, 7, 8, 9]])
    prepared = xl.prepare(where, key_positions=keys_at, dtype=torch.float64)
    scores = attention_scores(query, key, xl, prepared)
    for batch, head, m, n in ((0, 0, 0, 1), (0, 3, 2, 4), (1, 1, 1, 0), (1, 2, 2, 3)):
        distance = int(where[batch, m] - keys_at[batch, n])
        angles = [distance / 10_000 ** (2 * pair / 6) for pair in range(3)]
        sinusoid = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        projected = xl.projection[head] @ torch.tensor(sinusoid, dtype=torch.float64)
        content = (query[batch, head, m] + xl.content_bias[head]) @ key[batch, head // 2, n]
        position = (query[batch, head, m] + xl.position_bias[head]) @ projected
        expected = float(content + position) / 2
        assert float(scores[batch, head, m, n]) == pytest.approx(expected, abs=1e-10)


def test_attention_equals_xlnet() -> None:
    torch.manual_seed(0)
    config = XLNetConfig(
        vocab_size=5, d_model=12, n_layer=1, n_head=3, d_inner=4, dropout=0.0, attn_type="bi"
    )
    model = XLNetModel(config).double().eval()
    theirs = model.layer[0].rel_attn
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    xl = drawn(12, 4, 3)
    xl.projection.copy_(theirs.r.permute(1, 2, 0))
    xl.content_bias.copy_(theirs.r_w_bias)
    xl.position_bias.copy_(theirs.r_r_bias)
    query, key, value = torch.randn(3, 2, 3, 7, 4, dtype=torch.float64)
    sinusoids = model.relative_positional_encoding(7, 7, bsz=2).double()
    expected = theirs.rel_attn_core(
        *(each.permute(2, 0, 1, 3) for each in (query, key, value)),
        torch.einsum("jbh,hnd->jbnd", sinusoids, theirs.r),
    )
    ours = phasor.attention(query, key, value, xl, causal=False)
    # Their sinusoids are made in float32.
    assert_close(ours.permute(2, 0, 1, 3), expected, rtol=2e-5, atol=2e-5)


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(phasor.errors.ArgumentError, match="dim must be even"):
        phasor.TransformerXL(5, 4, 2)
    with pytest.raises(phasor.errors.ArgumentError, match="num_heads must be at least 1, got 0"):
        phasor.TransformerXL(4, 4, 0)
    query = torch.randn(1, 3, 5, 4)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with num_heads=3"):
        phasor.attention(query, query, query, phasor.TransformerXL(6, 4, 2))
    with pytest.raises(phasor.errors.ArgumentError, match="build it with head_dim=4"):
        phasor.attention(query, query, query, phasor.TransformerXL(6, 8, 3))

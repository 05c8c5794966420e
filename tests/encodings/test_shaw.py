"""Shaw's relative keys against the formula and against transformers' Wav2Vec2-BERT."""

import pytest
import torch
from torch.testing import assert_close
from transformers import Wav2Vec2BertConfig
from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertSelfAttention

import phasor
from phasor.attention import attention_scores


def test_scores_equal_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    shaw = phasor.Shaw(4, max_distance=3).double().requires_grad_(False)
    query = torch.randn(2, 4, 6, 4, dtype=torch.float64, generator=generator)
    key = torch.randn(2, 2, 9, 4, dtype=torch.float64, generator=generator)
    where, keys_at = torch.tensor([3, 9, 4, 5, 7, 30]), torch.arange(9)
    prepared = shaw.prepare(where, key_positions=keys_at, dtype=torch.float64)
    scores = attention_scores(query, key, shaw, prepared)
    for batch, head, m, n in ((0, 0, 0, 8), (1, 3, 5, 0), (1, 1, 1, 6), (0, 2, 4, 5), (1, 2, 2, 4)):
        clipped = max(-3, min(3, n - int(where[m])))
        added = key[batch, head // 2, n] + shaw.weight[clipped + 3]
        expected = sum(float(query[batch, head, m, c] * added[c]) for c in range(4)) / 2
        assert float(scores[batch, head, m, n]) == pytest.approx(expected, abs=1e-12)


def test_attention_equals_wav2vec2_bert() -> None:
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(
        hidden_size=24,
        num_attention_heads=3,
        left_max_position_embeddings=5,
        right_max_position_embeddings=2,
        attention_dropout=0.0,
        attn_implementation="eager",
    )
    theirs = Wav2Vec2BertSelfAttention(config).double().eval()
    torch.nn.init.normal_(theirs.distance_embedding.weight)
    shaw = phasor.Shaw(8, max_distance=5, max_ahead=2).double()
    shaw.load_state_dict({"weight": theirs.distance_embedding.weight})
    hidden = torch.randn(2, 13, 24, dtype=torch.float64)
    query, key, value = (
        linear(hidden).unflatten(-1, (3, 8)).transpose(1, 2)
        for linear in (theirs.linear_q, theirs.linear_k, theirs.linear_v)
    )
    ours = phasor.attention(query, key, value, shaw, causal=False)
    assert_close(theirs.linear_out(ours.transpose(1, 2).flatten(2)), theirs(hidden)[0])


def test_refuses_what_it_cannot_mean() -> None:
    with pytest.raises(phasor.errors.ArgumentError, match="max_ahead must be at least 0, got -1"):
        phasor.Shaw(8, max_ahead=-1)
    with pytest.raises(phasor.errors.ArgumentError, match="head_dim must be at least 1, got 0"):
        phasor.Shaw(0)
    query = torch.randn(1, 2, 5, 6)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with head_dim=6"):
        phasor.attention(query, query, query, phasor.Shaw(8))
    with pytest.raises(phasor.errors.ArgumentTypeError, match=r"positions\.long\(\)"):
        phasor.Shaw(8).prepare(torch.rand(3))

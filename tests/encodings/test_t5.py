"""Buckets and bias against transformers' T5."""

import pytest
import torch
from torch.testing import assert_close
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5Attention

import phasor
from phasor.attention import attention_scores
from phasor.encodings.t5 import distance_buckets
from phasor.errors import ArgumentError, ArgumentTypeError

SIZES = [(32, 128), (32, 256), (64, 256), (16, 64), (32, 800), (8, 20), (2, 8)]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("num_buckets", "max_distance"), SIZES)
def test_buckets_equal_transformers(
    bidirectional: bool, num_buckets: int, max_distance: int
) -> None:
    if bidirectional and num_buckets < 4:
        pytest.skip("their formula divides by zero with one bucket for each direction")
    relative = torch.arange(-3000, 3001)  # key minus query, as they have it
    theirs = T5Attention._relative_position_bucket(
        relative, bidirectional, num_buckets, max_distance
    )
    bias = phasor.T5Bias(
        1, num_buckets=num_buckets, max_distance=max_distance, bidirectional=bidirectional
    )
    with torch.no_grad():
        bias.weight.copy_(torch.arange(num_buckets)[:, None])
    score_mod = bias.score_mod(bias.prepare(torch.tensor([0]), key_positions=relative))
    index = [torch.zeros(1, 1, 1, 1, dtype=torch.long)] * 3
    ours = score_mod(torch.zeros(()), *index, torch.arange(len(relative)).view(1, 1, 1, -1))
    assert_close(ours.flatten().long(), theirs)


def test_bias_equals_transformers_while_decoding() -> None:
    config = T5Config(num_heads=4, d_model=32, d_kv=8, is_decoder=True)
    theirs = T5Attention(config, has_relative_attention_bias=True)
    bias = phasor.T5Bias(4)
    with torch.no_grad():
        bias.weight.copy_(torch.randn(32, 4))
        theirs.relative_attention_bias.weight.copy_(bias.weight)
    expected = theirs.compute_bias(1, 300, past_seen_tokens=299)
    query = torch.zeros(1, 4, 1, 8)
    found = attention_scores(
        query,
        torch.zeros(1, 4, 300, 8),
        bias,
        bias.prepare(torch.tensor([299]), key_positions=torch.arange(300)),
    )
    assert_close(found, expected)


def test_starts_without_any_bias() -> None:
    query, key, value = torch.randn(3, 1, 8, 10, 16)
    plain = phasor.attention(query, key, value)
    assert_close(phasor.attention(query, key, value, phasor.T5Bias(8)), plain)


def test_boundaries_are_whole_numbers() -> None:
    """ln(32/8) / ln(128/8) * 8 is 4 and falls to 3.9999 in some arithmetics."""
    assert [distance_buckets(16, 128).index(bucket) for bucket in range(8, 16)] == [
        8, 12, 16, 23, 32, 46, 64, 91,
    ]  # fmt: skip


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(1, 128), (32, 16), (0, 1)])
def test_refuses_sizes_without_a_rule(num_buckets: int, max_distance: int) -> None:
    with pytest.raises(ArgumentError, match=r"two buckets for each direction.*got \d+ buckets"):
        phasor.T5Bias(8, num_buckets=num_buckets, max_distance=max_distance)


def test_refuses_positions_between_integers() -> None:
    with pytest.raises(ArgumentTypeError, match=r"whole distances.*positions.long\(\)"):
        phasor.T5Bias(8).prepare(torch.rand(3))

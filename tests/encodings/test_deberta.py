"""Disentangled attention against transformers' DeBERTa, version 1, and 2 and 3."""

import math
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from transformers import DebertaConfig, DebertaV2Config
from transformers.models.deberta import modeling_deberta
from transformers.models.deberta_v2 import modeling_deberta_v2

import phasor
from phasor.encodings._bases.signed_buckets import signed_buckets

SIZES = {
    "hidden_size": 12,
    "num_attention_heads": 3,
    "relative_attention": True,
    "pos_att_type": ["c2p", "p2c"],
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
HIDDEN = torch.randn(2, 30, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def drawn(theirs: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in theirs.double().parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return theirs.eval()


def with_weights(ours: phasor.DeBERTa, key: Tensor, query: Tensor, bias: Tensor) -> Tensor:
    """Fill `ours`, and return the table that it has then."""
    ours.double().requires_grad_(False)
    nn.init.normal_(ours.weight)
    ours.key_projection.copy_(key.unflatten(0, (3, 4)))
    ours.query_projection.copy_(query.unflatten(0, (3, 4)))
    ours.query_bias.copy_(bias.unflatten(0, (3, 4)))
    return ours.weight


def relative(module: ModuleType, seq: int, **sizes: int) -> Tensor:
    x = torch.zeros(1, 1, seq, 4)
    return module.build_relative_position(x, x, **sizes)


@pytest.mark.parametrize("share_att_key", [False, True])
@pytest.mark.parametrize("buckets", [8, None])
def test_attention_equals_version_2(share_att_key: bool, buckets: int | None) -> None:
    config = DebertaV2Config(
        **SIZES,
        share_att_key=share_att_key,
        position_buckets=buckets or -1,
        max_relative_positions=16,
    )
    theirs = drawn(modeling_deberta_v2.DisentangledSelfAttention(config))
    ours = phasor.DeBERTa(12, 4, 3, max_distance=16, num_buckets=buckets)
    to_key = theirs.key_proj if share_att_key else theirs.pos_key_proj
    to_query = theirs.query_proj if share_att_key else theirs.pos_query_proj
    table = with_weights(ours, to_key.weight, to_query.weight, to_query.bias)
    query, key, value = (
        linear(HIDDEN).unflatten(-1, (3, 4)).transpose(1, 2)
        for linear in (theirs.query_proj, theirs.key_proj, theirs.value_proj)
    )
    everything = torch.ones(2, 1, 30, 30)
    expected, _ = theirs(HIDDEN, everything, rel_embeddings=table)
    found = phasor.attention(query, key, value, ours, causal=False)
    # Their scales are float32.
    assert_close(found.transpose(1, 2).flatten(2), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("max_distance", [16, 64])
def test_attention_equals_version_1(max_distance: int) -> None:
    config = DebertaConfig(**SIZES, max_relative_positions=max_distance)
    theirs = drawn(modeling_deberta.DisentangledSelfAttention(config))
    ours = phasor.DeBERTa(12, 4, 3, max_distance=max_distance)
    projection = theirs.pos_q_proj
    table = with_weights(ours, theirs.pos_proj.weight, projection.weight, projection.bias)
    query, key, value = (
        theirs.in_proj(HIDDEN).unflatten(-1, (3, 12)).transpose(1, 2).chunk(3, dim=-1)
    )
    query = query + theirs.q_bias.view(3, 1, 4)
    value = value + theirs.v_bias.view(3, 1, 4)
    expected, _ = theirs(
        HIDDEN,
        torch.ones(2, 1, 30, 30),
        rel_embeddings=table,
        relative_pos=relative(modeling_deberta, 30),
    )
    found = phasor.attention(query, key, value, ours, causal=False)
    assert_close(found.transpose(1, 2).flatten(2), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("num_buckets", "max_distance"), [(256, 512), (32, 128), (8, 16), (64, 1000), (4, 4)]
)
def test_rows_equal_those_of_transformers(num_buckets: int, max_distance: int) -> None:
    ours = phasor.DeBERTa(2, 2, 1, num_buckets=num_buckets, max_distance=max_distance)
    distance = torch.arange(-1200, 1201)
    bucket = modeling_deberta_v2.make_log_bucket_position(distance, num_buckets, max_distance)
    expected = (bucket.long() + num_buckets).clamp(0, 2 * num_buckets - 1)
    clipped = distance.clamp(-max_distance, max_distance)
    assert_close(ours.row_of[clipped + max_distance], expected)


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(256, 512), (8, 16), (64, 1000)])
def test_one_row_is_the_authors_after_it_was_copied(num_buckets: int, max_distance: int) -> None:
    """microsoft/DeBERTa 4d7fe0b, `make_log_bucket_position`: clipped first, then a logarithm."""
    ours = phasor.DeBERTa(2, 2, 1, num_buckets=num_buckets, max_distance=max_distance)
    middle = num_buckets // 2

    def row(distance: int) -> int:
        distance = min(max(distance, 1 - max_distance), max_distance - 1)
        if abs(distance) <= middle:
            return distance + num_buckets
        share = math.log(abs(distance) / middle) / math.log((max_distance - 1) / middle)
        bucket = math.ceil(share * (middle - 1) - 1e-9) + middle
        return (bucket if distance > 0 else -bucket) + num_buckets

    distances = range(-2 * max_distance, 2 * max_distance)
    clipped = torch.tensor(distances).clamp(-max_distance, max_distance)
    found = ours.row_of[clipped + max_distance].tolist()
    wanted = [row(distance) for distance in distances]
    differs = [at for at, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
    assert [distances[at] for at in differs] == list(range(-2 * max_distance, 1 - max_distance))
    assert {(found[at], wanted[at]) for at in differs} == {(0, 1)}
    with torch.no_grad():
        ours.weight.normal_()
        ours.weight[0] = ours.weight[1]
    assert_close(ours.weight[found], ours.weight[wanted], rtol=0, atol=0)


def test_refuses_sizes_without_a_rule() -> None:
    for num_buckets in (2, 7):
        with pytest.raises(phasor.errors.ArgumentError, match=r"even and at least 4.*got \d"):
            signed_buckets(num_buckets, 100)
    with pytest.raises(phasor.errors.ArgumentError, match=r"2 = 6, got 5.*num_buckets=None"):
        phasor.DeBERTa(12, 4, 3, num_buckets=8, max_distance=5)
    with pytest.raises(phasor.errors.ArgumentError, match="dim must be at least 1, got 0"):
        phasor.DeBERTa(0, 4, 3)
    query = torch.randn(1, 2, 5, 4)
    with pytest.raises(phasor.errors.ArgumentError, match="build it with num_heads=2"):
        phasor.attention(query, query, query, phasor.DeBERTa(12, 4, 3))

"""Models that add position to the scores, for all heads, against the functions of transformers."""

import pytest
import torch
from spec.golden import GOLDEN
from torch import Tensor
from torch.testing import assert_close

from phasor import T5Bias
from phasor.attention import attention_scores
from phasor.encoding import PositionEncoding
from phasor.spec import ALiBiSpec, PositionSpec

SEQ = 2048


def bias(encoding: PositionEncoding, num_heads: int, queries: Tensor, keys: Tensor) -> Tensor:
    """`[num_heads, queries, keys]`: what is added to scores that are 0."""
    query = torch.zeros(1, num_heads, len(queries), 8)
    key = torch.zeros(1, num_heads, len(keys), 8)
    prepared = encoding.prepare(queries, key_positions=keys)
    return attention_scores(query, key, encoding, prepared)[0]


def of_the_last_query(spec: PositionSpec, num_heads: int) -> Tensor:
    return bias(spec.encodings()[0], num_heads, torch.tensor([SEQ - 1]), torch.arange(SEQ))[:, 0]


def test_bloom() -> None:
    from transformers import BloomConfig
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    config = BloomConfig(hidden_size=14336, n_head=112, n_layer=70, seq_length=2048)
    spec = GOLDEN["bloom-176b"]()
    assert len(spec.layers) == config.n_layer
    assert spec.max_seq_len == config.seq_length
    theirs = build_alibi_tensor(torch.ones(1, SEQ), config.n_head, torch.float32)[:, 0]
    # Theirs grows from 0 at the first key; the softmax sees differences alone.
    expected = theirs - theirs[:, -1:]
    assert_close(of_the_last_query(spec, config.n_head), expected, rtol=1e-5, atol=1e-4)


def test_mpt() -> None:
    from transformers import MptConfig
    from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

    config = MptConfig(
        attn_config={"alibi": True, "alibi_bias_max": 8},
        d_model=4096,
        max_seq_len=2048,
        n_heads=32,
        n_layers=32,
    )
    spec = GOLDEN["mpt-7b"]()
    assert len(spec.layers) == config.n_layers
    assert spec.max_seq_len == config.max_seq_len
    alibi_bias_max = config.attn_config.alibi_bias_max
    expected = build_mpt_alibi_tensor(config.n_heads, SEQ, alibi_bias_max)[:, 0]
    assert_close(of_the_last_query(spec, config.n_heads), expected, rtol=1e-6, atol=0)


def test_falcon_rw() -> None:
    from transformers import FalconConfig
    from transformers.models.falcon.modeling_falcon import FalconAttention, build_alibi_tensor

    config = FalconConfig(
        alibi=True,
        hidden_size=2048,
        multi_query=False,
        num_attention_heads=32,
        num_hidden_layers=24,
        parallel_attn=False,
    )
    spec = GOLDEN["falcon-rw-1b"]()
    assert len(spec.layers) == config.num_hidden_layers
    assert spec.max_seq_len == config.max_position_embeddings
    heads = config.num_attention_heads
    with torch.device("meta"):
        divided_by = FalconAttention(config, 0).inv_norm_factor
    mask = torch.ones(1, SEQ, dtype=torch.long)
    expected = build_alibi_tensor(mask, heads, torch.bfloat16)[:, 0].float() * divided_by
    assert_close(of_the_last_query(spec, heads), expected, rtol=0, atol=0)


def test_falcon_7b_has_no_alibi() -> None:
    kinds = {type(stated) for layer in GOLDEN["falcon-7b"]().layers for stated in layer.encodings}
    assert ALiBiSpec not in kinds


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_t5(stack: str) -> None:
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Attention

    config = T5Config(
        d_kv=64,
        d_model=768,
        is_decoder=stack == "decoder",
        n_positions=512,
        num_heads=12,
        num_layers=12,
        relative_attention_num_buckets=32,
    )
    whole = GOLDEN["t5-base"]()
    spec = whole if stack == "decoder" else whole.tower("encoder")
    assert len(spec.layers) == (config.num_decoder_layers if spec is whole else config.num_layers)
    assert spec.max_seq_len == config.n_positions
    assert spec.causal == (stack == "decoder")
    theirs = T5Attention(config, has_relative_attention_bias=True)
    assert {layer.score_scale for layer in spec.layers} == {theirs.scaling}
    encodings = spec.encodings()
    ours = encodings[0]
    assert all(encoding is ours for encoding in encodings)  # one table for the stack
    assert isinstance(ours, T5Bias)
    table = torch.randn(32, 12)
    with torch.no_grad():
        ours.weight.copy_(table)
        theirs.relative_attention_bias.weight.copy_(table)
        found = bias(ours, config.num_heads, torch.arange(300), torch.arange(300))
        expected = theirs.compute_bias(300, 300)[0]
    seen = torch.ones(300, 300, dtype=torch.bool)
    if spec.causal:
        seen = seen.tril()
    assert_close(found[:, seen], expected[:, seen], rtol=0, atol=0)

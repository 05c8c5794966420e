"""Models with other pairs, slices, axes or lists than LLaMA's, against transformers."""

import pytest
import torch
from spec.golden import GOLDEN
from spec.golden_subject import (
    Published,
    check_frequencies,
    check_numbers_of_yarn,
    check_turned,
    query_and_key,
    some_positions,
)
from torch.testing import assert_close

from phasor import Rotary
from phasor.attention import attention_scores
from phasor.spec import RotarySpec

YARN_OF_DEEPSEEK = {
    "beta_fast": 32,
    "beta_slow": 1,
    "factor": 40,
    "original_max_position_embeddings": 4096,
    "type": "yarn",
}
DEEPSEEK = {
    "max_position_embeddings": 163840,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "rope_theta": 10000,
    "v_head_dim": 128,
}
MODELS = [
    Published(
        "deepseek-v2",
        "deepseek_v2",
        "DeepseekV2",
        {
            **DEEPSEEK,
            "hidden_size": 5120,
            "num_hidden_layers": 60,
            "rope_scaling": {**YARN_OF_DEEPSEEK, "mscale": 0.707, "mscale_all_dim": 0.707},
        },
    ),
    Published(
        "deepseek-v3",
        "deepseek_v3",
        "DeepseekV3",
        {
            **DEEPSEEK,
            "hidden_size": 7168,
            "num_hidden_layers": 61,
            "rope_scaling": {**YARN_OF_DEEPSEEK, "mscale": 1.0, "mscale_all_dim": 1.0},
        },
    ),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_deepseek_scores(model: Published) -> None:
    """Of whole heads: what stands still, what turns, and the gain of the softmax."""
    config, spec = model.their_config(), model.spec
    assert len(spec.layers) == config.num_hidden_layers
    assert len(set(spec.layers)) == 1
    assert spec.max_seq_len == config.max_position_embeddings
    rotary, attention = model.their_rotary(config), model.their_attention(config, 0)
    positions = some_positions(spec.max_seq_len)
    encoding, stated = spec.encodings(precision="float32")[0], spec.layers[0].encodings[0]
    assert isinstance(stated, RotarySpec)
    check_numbers_of_yarn(stated, config.rope_parameters)
    check_frequencies(encoding, rotary.inv_freq)
    query, key = query_and_key(192)
    turning = query[..., 128:], key[..., 128:]
    tables = rotary(query, positions[None])
    if model.folder == "deepseek_v2":
        turned = model.modeling.apply_rotary_emb(*turning, tables)
    else:
        turned = model.modeling.apply_rotary_pos_emb_interleave(*turning, *tables)
    whole_query = torch.cat((query[..., :128], turned[0]), dim=-1)
    whole_key = torch.cat((key[..., :128], turned[1]), dim=-1)
    expected = whole_query @ whole_key.transpose(-1, -2) * attention.scaling
    found = attention_scores(query, key, encoding, encoding.prepare(positions))
    assert_close(found[..., :4, :4], expected[..., :4, :4], rtol=1e-3, atol=1e-3)
    assert_close(found, expected, rtol=0.05, atol=0.05)


def test_deepseek_gains_as_published() -> None:
    """0.1 * mscale * ln(40) + 1, squared."""
    for name, squared in (("deepseek-v2", 1.5896261651208302), ("deepseek-v3", 1.8738542070926265)):
        encoding = GOLDEN[name]().encodings()[0]
        assert isinstance(encoding, Rotary)
        assert encoding.frequencies.softmax_scale == pytest.approx(squared, rel=1e-12)
        assert encoding.frequencies.attention_scale == 1.0


def test_gpt_j() -> None:
    from transformers import GPTJConfig
    from transformers.models.gptj import modeling_gptj

    # The published config equals the defaults of its class in all that follows.
    config, spec = GPTJConfig(), GOLDEN["gpt-j-6b"]()
    assert len(spec.layers) == config.n_layer
    assert spec.max_seq_len == config.n_positions
    head_dim = config.n_embd // config.n_head
    positions = some_positions(config.n_positions)
    table = modeling_gptj.create_sinusoidal_positions(config.n_positions, config.rotary_dim)
    sin, cos = table[positions][None].chunk(2, dim=-1)
    query, _ = query_and_key(head_dim)
    turning, still = query.split((config.rotary_dim, head_dim - config.rotary_dim), dim=-1)
    turned = modeling_gptj.apply_rotary_pos_emb(turning.transpose(1, 2), sin, cos).transpose(1, 2)
    encoding = spec.encodings(precision="float32")[0]
    found, _ = encoding.rotate(query, None, encoding.prepare(positions))
    check_turned(found, torch.cat((turned, still), -1), positions)


QWEN_VL_TEXT = {"num_attention_heads": 28, "num_hidden_layers": 28, "hidden_size": 3584}
QWEN_VL = [
    Published(
        "qwen2-vl-7b",
        "qwen2_vl",
        "Qwen2VL",
        {
            **QWEN_VL_TEXT,
            "max_position_embeddings": 32768,
            "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
            "rope_theta": 1000000.0,
        },
    ),
    Published(
        "qwen3-vl-4b",
        "qwen3_vl",
        "Qwen3VLText",
        {
            "head_dim": 128,
            "max_position_embeddings": 262144,
            "num_attention_heads": 32,
            "num_hidden_layers": 36,
            "rope_parameters": {
                "mrope_interleaved": True,
                "mrope_section": [24, 20, 20],
                "rope_theta": 5000000,
                "rope_type": "default",
            },
        },
    ),
]


@pytest.mark.parametrize("model", QWEN_VL, ids=str)
def test_qwen_vl_text_with_different_positions_on_each_axis(model: Published) -> None:
    if model.folder == "qwen2_vl":
        from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLTextConfig

        config = Qwen2VLTextConfig(**model.config)
    else:
        config = model.their_config()
    spec = model.spec
    assert len(spec.layers) == config.num_hidden_layers
    assert spec.max_seq_len == config.max_position_embeddings
    rotary = model.their_rotary(config)
    encoding = spec.encodings(precision="float32")[0]
    check_frequencies(encoding, rotary.inv_freq)
    positions = torch.tensor([[0, 0, 0], [5, 0, 0], [5, 3, 0], [5, 3, 11], [900, 40, 1000]])
    query, key = query_and_key(128)
    tables = rotary(query, positions.T[:, None])
    expected = model.modeling.apply_rotary_pos_emb(query, key, *tables)
    found = encoding.rotate(query, key, encoding.prepare(positions))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours is not None
        check_turned(ours, theirs, positions)


def test_qwen_2_vl_patches() -> None:
    from transformers.models.qwen2_vl import modeling_qwen2_vl
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig

    # The published vision_config: depth 32, embed_dim 1280, 16 heads.
    config = Qwen2VLVisionConfig(depth=32, embed_dim=1280, num_heads=16)
    tower = GOLDEN["qwen2-vl-7b"]().tower("vision")
    assert len(tower.layers) == config.depth
    assert not tower.causal
    positions = torch.tensor([[0, 0], [1, 0], [0, 1], [30, 2], [7, 63]])
    encoding = tower.encodings(precision="float32")[0]
    query, key = query_and_key(80, heads=16)
    tables = modeling_qwen2_vl.Qwen2VLVisionRotaryEmbedding(config)(query, positions)
    by_token = (x[0].transpose(0, 1) for x in (query, key))
    expected = modeling_qwen2_vl.apply_rotary_pos_emb_vision(*by_token, *tables)
    found = encoding.rotate(query, key, encoding.prepare(positions))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours is not None
        check_turned(ours, theirs.transpose(0, 1)[None], positions)


@pytest.mark.parametrize("seq_len", [4096, 131_072])
def test_phi_3_mini_128k_by_length(seq_len: int) -> None:
    from transformers import Phi3Config
    from transformers.models.phi3 import modeling_phi3

    spec = GOLDEN["phi-3-mini-128k"]()
    stated = spec.layers[0].encodings[0]
    assert isinstance(stated, RotarySpec)
    # Not the lists of 48 again, for a copy would be no oracle; some of them, as published.
    short, long = stated.scaling.short_factor, stated.scaling.long_factor  # type: ignore[union-attr]
    places = (0, 4, 30, 47)
    assert [short[at] for at in places] == [
        1.1,
        1.3500000000000003,
        2.0500000000000007,
        3.049999999999997,
    ]
    assert [long[at] for at in places] == [
        1.0700000524520874,
        1.5699999332427979,
        60.887386322021484,
        64.76000213623047,
    ]
    config = Phi3Config(
        hidden_size=3072,
        max_position_embeddings=131072,
        num_attention_heads=32,
        num_hidden_layers=32,
        original_max_position_embeddings=4096,
        rope_theta=10000.0,
        rope_scaling={"long_factor": list(long), "short_factor": list(short), "type": "longrope"},
        sliding_window=262144,
    )
    assert len(spec.layers) == config.num_hidden_layers
    assert {layer.window for layer in spec.layers} == {config.sliding_window}
    assert spec.max_seq_len == config.max_position_embeddings
    positions = some_positions(seq_len)
    query, key = query_and_key(96)
    rotary = modeling_phi3.Phi3RotaryEmbedding(config)
    expected = modeling_phi3.apply_rotary_pos_emb(query, key, *rotary(query, positions[None]))
    encoding = spec.encodings(precision="float32")[0]
    assert isinstance(encoding, Rotary)
    settled = encoding.at(seq_len)
    found = settled.rotate(query, key, settled.prepare(positions))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours is not None
        check_turned(ours, theirs, positions)

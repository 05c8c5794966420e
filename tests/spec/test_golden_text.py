"""Decoders whose rotary module has one table, against transformers run on the published config."""

from typing import Any

import pytest
from spec.golden_subject import (
    Published,
    check_frequencies,
    check_numbers_of_yarn,
    check_turned,
    query_and_key,
    some_positions,
)

from phasor.spec import RotarySpec

QWEN_2 = {
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "num_hidden_layers": 28,
    "max_position_embeddings": 32768,
    "max_window_layers": 28,
    "sliding_window": 131072,
    "use_sliding_window": False,
    "rope_theta": 1000000.0,
}
LLAMA = {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32}
MODELS = [
    Published("llama-7b", "llama", "Llama", {**LLAMA, "max_position_embeddings": 2048}),
    Published("llama-2-7b", "llama", "Llama", {**LLAMA, "max_position_embeddings": 4096}),
    Published(
        "llama-3.1-8b",
        "llama",
        "Llama",
        {
            **LLAMA,
            "num_key_value_heads": 8,
            "max_position_embeddings": 131072,
            "rope_theta": 500000.0,
            "rope_scaling": {
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
        },
    ),
    Published(
        "mistral-7b-v0.1",
        "mistral",
        "Mistral",
        {
            **LLAMA,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
            "rope_theta": 10000.0,
            "sliding_window": 4096,
        },
    ),
    Published("ministral-3-8b", "ministral3", "Ministral3", {}),
    Published(
        "smollm3-3b",
        "smollm3",
        "SmolLM3",
        {
            "hidden_size": 2048,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "num_hidden_layers": 36,
            "max_position_embeddings": 65536,
            "no_rope_layers": [1, 1, 1, 0] * 9,
            "rope_theta": 5000000.0,
            "use_sliding_window": False,
        },
    ),
    Published(
        "gemma-7b",
        "gemma",
        "Gemma",
        {
            "hidden_size": 3072,
            "head_dim": 256,
            "num_attention_heads": 16,
            "num_hidden_layers": 28,
            "max_position_embeddings": 8192,
            "rope_theta": 10000.0,
        },
    ),
    Published(
        "gemma-2-9b",
        "gemma2",
        "Gemma2",
        {
            "hidden_size": 3584,
            "head_dim": 256,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "num_hidden_layers": 42,
            "max_position_embeddings": 8192,
            "query_pre_attn_scalar": 256,
            "rope_theta": 10000.0,
            "sliding_window": 4096,
        },
    ),
    Published("qwen2-7b", "qwen2", "Qwen2", QWEN_2),
    Published("qwen2.5-7b", "qwen2", "Qwen2", QWEN_2),
    Published(
        "qwen2.5-7b-yarn",
        "qwen2",
        "Qwen2",
        {
            **QWEN_2,
            "max_position_embeddings": 131072,
            "rope_scaling": {
                "factor": 4.0,
                "original_max_position_embeddings": 32768,
                "type": "yarn",
            },
        },
    ),
    Published(
        "qwen3-8b",
        "qwen3",
        "Qwen3",
        {
            "hidden_size": 4096,
            "head_dim": 128,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "num_hidden_layers": 36,
            "max_position_embeddings": 40960,
            "rope_theta": 1000000,
            "use_sliding_window": False,
        },
    ),
    Published(
        "phi-3-mini-4k",
        "phi3",
        "Phi3",
        {
            "hidden_size": 3072,
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "max_position_embeddings": 4096,
            "original_max_position_embeddings": 4096,
            "rope_theta": 10000.0,
            "sliding_window": 2047,
        },
    ),
    Published(
        "gpt-neox-20b",
        "gpt_neox",
        "GPTNeoX",
        {
            "hidden_size": 6144,
            "num_attention_heads": 64,
            "num_hidden_layers": 44,
            "max_position_embeddings": 2048,
            "rotary_emb_base": 10000,
            "rotary_pct": 0.25,
        },
    ),
    Published(
        "gpt-oss-20b",
        "gpt_oss",
        "GptOss",
        {
            "head_dim": 64,
            "num_attention_heads": 64,
            "num_hidden_layers": 24,
            "layer_types": ["sliding_attention", "full_attention"] * 12,
            "max_position_embeddings": 131072,
            "rope_scaling": {
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "factor": 32.0,
                "original_max_position_embeddings": 4096,
                "rope_type": "yarn",
                "truncate": False,
            },
            "rope_theta": 150000,
            "sliding_window": 128,
        },
    ),
    Published(
        "falcon-7b",
        "falcon",
        "Falcon",
        {
            "alibi": False,
            "hidden_size": 4544,
            "num_attention_heads": 71,
            "num_hidden_layers": 32,
        },
    ),
]


def window_of(config: Any, layer: int) -> int | None:
    types = getattr(config, "layer_types", None)
    if types is not None and types[layer] == "full_attention":
        return None
    return getattr(config, "sliding_window", None)


def turns(config: Any, layer: int) -> bool:
    flags = getattr(config, "no_rope_layers", None)
    return flags is None or bool(flags[layer])


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_layers_windows_and_lengths(model: Published) -> None:
    config, spec = model.their_config(), model.spec
    assert len(spec.layers) == config.num_hidden_layers
    assert spec.max_seq_len == config.max_position_embeddings
    assert spec.causal
    for at, layer in enumerate(spec.layers):
        assert layer.window == window_of(config, at)
        assert bool(layer.encodings) == turns(config, at)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_queries_and_keys_turn_alike(model: Published) -> None:
    config, spec = model.their_config(), model.spec
    rotary = model.their_rotary(config)
    assert spec.max_seq_len is not None
    positions = some_positions(spec.max_seq_len)
    encodings = spec.encodings(precision="float32")
    for at in {layer: at for at, layer in enumerate(spec.layers)}.values():
        if not turns(config, at):
            continue
        encoding, stated = encodings[at], spec.layers[at].encodings[0]
        assert isinstance(stated, RotarySpec)
        if len(spec.layers[at].encodings) > 1:
            encoding = stated.build(precision="float32")
        check_numbers_of_yarn(stated, config.rope_parameters)
        check_frequencies(encoding, rotary.inv_freq)
        query, key = query_and_key(stated.head_dim)
        expected = model.modeling.apply_rotary_pos_emb(query, key, *rotary(query, positions[None]))
        found = encoding.rotate(query, key, encoding.prepare(positions))
        for ours, theirs in zip(found, expected, strict=True):
            assert ours is not None
            check_turned(ours, theirs, positions)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_scores_are_scaled_alike(model: Published) -> None:
    config, spec = model.their_config(), model.spec
    for at, layer in enumerate(spec.layers[:4]):
        attention = model.their_attention(config, at)
        theirs = attention.inv_norm_factor if model.folder == "falcon" else attention.scaling
        for stated in layer.encodings[:1]:
            assert isinstance(stated, RotarySpec)
            ours = layer.score_scale or stated.head_dim**-0.5
            softmax_scale = stated.build().frequencies.softmax_scale
            assert ours * softmax_scale == pytest.approx(theirs, rel=1e-12)

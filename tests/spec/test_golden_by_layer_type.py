"""Models with another table for each type of layer, against transformers."""

from typing import Any

import pytest
import torch
from spec.golden_subject import (
    Published,
    check_frequencies,
    check_turned,
    query_and_key,
    some_positions,
)
from torch import Tensor
from transformers.masking_utils import (
    causal_mask_function,
    sliding_window_bidirectional_mask_function,
    sliding_window_causal_mask_function,
)

from phasor.spec import RotarySpec

GEMMA_3 = Published(
    "gemma-3-4b",
    "gemma3",
    "Gemma3",
    {
        "head_dim": 256,
        "hidden_size": 2560,
        "max_position_embeddings": 131072,
        "num_attention_heads": 8,
        "num_hidden_layers": 34,
        "num_key_value_heads": 4,
        "query_pre_attn_scalar": 256,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "rope_theta": 1000000.0,
        "sliding_window": 1024,
        "sliding_window_pattern": 6,
    },
)
GEMMA_4 = Published(
    "gemma-4-31b",
    "gemma4",
    "Gemma4Text",
    {
        "attention_k_eq_v": True,
        "global_head_dim": 512,
        "head_dim": 256,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 10,
        "max_position_embeddings": 262144,
        "num_attention_heads": 32,
        "num_global_key_value_heads": 4,
        "num_hidden_layers": 60,
        "num_key_value_heads": 16,
        "rope_parameters": {
            "full_attention": {
                "partial_rotary_factor": 0.25,
                "rope_theta": 1000000.0,
                "rope_type": "proportional",
            },
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
        "sliding_window": 1024,
    },
)
MODERNBERT = Published(
    "modernbert-base",
    "modernbert",
    "ModernBert",
    {
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "hidden_size": 768,
        "local_attention": 128,
        "local_rope_theta": 10000.0,
        "max_position_embeddings": 8192,
        "num_attention_heads": 12,
        "num_hidden_layers": 22,
    },
)
MODELS = [GEMMA_3, GEMMA_4, MODERNBERT]


def their_config(model: Published) -> Any:
    if model is GEMMA_3:  # its text config's class is not named after the rotary module
        from transformers.models.gemma3.configuration_gemma3 import Gemma3TextConfig

        return Gemma3TextConfig(**model.config)
    return model.their_config()


def apply(model: Published, query: Tensor, key: Tensor, *tables: Tensor) -> tuple[Tensor, Tensor]:
    turn = model.modeling.apply_rotary_pos_emb
    if model is GEMMA_4:
        return turn(query, *tables), turn(key, *tables)
    return turn(query, key, *tables)


def tokens_seen(config: Any, layer_type: str, *, causal: bool) -> int | None:
    """Counted by the mask of transformers, at a query in the middle of a long sequence."""
    if layer_type == "full_attention":
        return None
    if causal:
        mask = sliding_window_causal_mask_function(config.sliding_window)
    else:
        mask = sliding_window_bidirectional_mask_function(config.sliding_window)
    query = torch.tensor(5000)
    return int(torch.as_tensor(mask(0, 0, query, torch.arange(10_000))).sum())


def test_their_windows_are_counted_as_ours_are() -> None:
    seen = sliding_window_causal_mask_function(4)(0, 0, torch.tensor(9), torch.arange(10))
    assert torch.as_tensor(seen).sum() == 4
    assert causal_mask_function(0, 0, 3, 3)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_layers_windows_and_lengths(model: Published) -> None:
    config, spec = their_config(model), model.spec
    assert len(spec.layers) == config.num_hidden_layers == len(config.layer_types)
    assert spec.max_seq_len == config.max_position_embeddings
    assert spec.causal == (model is not MODERNBERT)
    for layer, layer_type in zip(spec.layers, config.layer_types, strict=True):
        assert layer.window == tokens_seen(config, layer_type, causal=spec.causal)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_queries_and_keys_turn_alike(model: Published) -> None:
    config, spec = their_config(model), model.spec
    rotary = model.their_rotary(config)
    assert spec.max_seq_len is not None
    positions = some_positions(spec.max_seq_len)
    encodings = spec.encodings(precision="float32")
    for at, layer_type in enumerate(config.layer_types):
        stated = spec.layers[at].encodings[0]
        assert isinstance(stated, RotarySpec)
        check_frequencies(encodings[at], getattr(rotary, f"{layer_type}_inv_freq"))
        query, key = query_and_key(stated.head_dim)
        expected = apply(model, query, key, *rotary(query, positions[None], layer_type))
        found = encodings[at].rotate(query, key, encodings[at].prepare(positions))
        for ours, theirs in zip(found, expected, strict=True):
            assert ours is not None
            check_turned(ours, theirs, positions)


@pytest.mark.parametrize("model", [GEMMA_3, GEMMA_4], ids=str)
def test_scores_are_scaled_alike(model: Published) -> None:
    config, spec = their_config(model), model.spec
    prefix = model.prefix
    for at in (0, 5):
        with torch.device("meta"):
            attention = getattr(model.modeling, f"{prefix}Attention")(config, at)
        stated = spec.layers[at].encodings[0]
        assert isinstance(stated, RotarySpec)
        assert stated.head_dim == attention.head_dim
        assert (spec.layers[at].score_scale or stated.head_dim**-0.5) == attention.scaling

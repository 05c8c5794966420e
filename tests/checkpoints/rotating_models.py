"""A tiny random model of each architecture of transformers that rotates, and what to feed it.

`tiny_models.json` has what the rules here do not get right by themselves, found by running them on
transformers 5.23.0.
"""

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

OVERRIDES = json.loads(Path(__file__).with_name("tiny_models.json").read_text())
BATCH, SEQ, VOCABULARY = 2, 12, 150

# By name, the first that a field's name ends with; what is not here stays.
SIZES = {
    "hidden_size": 128, "d_model": 128, "n_embd": 128, "embed_dim": 128, "embedding_size": 128,
    "hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": 160,
    "moe_intermediate_size": 64, "intermediate_size": 128, "ffn_dim": 128, "n_inner": 128,
    "expert_intermediate_size": 64, "shared_expert_intermediate_size": 64,
    "vocab_size": 160, "num_hidden_layers": 2, "n_layer": 2, "num_layers": 2, "n_layers": 2,
    "encoder_layers": 2, "decoder_layers": 2, "encoder_num_hidden_layers": 2,
    "decoder_num_hidden_layers": 2,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "encoder_attention_heads": 4,
    "encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_key_value_heads": 2, "num_kv_heads": 2, "encoder_num_key_value_heads": 2,
    "decoder_num_key_value_heads": 2,
    "head_dim": 32, "attention_head_dim": 32, "rotary_dim": 16, "kv_channels": 32,
    "qk_rope_head_dim": 16, "qk_nope_head_dim": 16, "qk_head_dim": 32, "v_head_dim": 32,
    "kv_lora_rank": 32, "q_lora_rank": 32, "o_lora_rank": 32,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4,
    "num_experts_per_tok": 2, "num_experts_per_token": 2, "moe_top_k": 2, "moe_topk": 2,
    "top_k_experts": 2, "n_group": 1, "topk_group": 1, "moe_k": 2,
    "n_shared_experts": 1, "first_k_dense_replace": 1,
    "max_position_embeddings": 256, "n_positions": 256, "n_ctx": 256, "sliding_window": 8,
    "index_n_heads": 2, "index_head_dim": 32, "index_topk": 8,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "mamba_d_state": 16, "mamba_n_heads": 4, "mamba_d_head": 64, "mamba_n_groups": 1,
    "mamba_chunk_size": 8, "chunk_size": 8, "lru_width": 128,
    "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 16,
    "linear_value_head_dim": 16, "conv_dim": 128,
}  # fmt: skip

# The axes of M-RoPE, where a default is made for heads of another size; and what needs its own.
_AXES = {"rope_type": "default", "rope_theta": 10000.0}
_SMALL = {
    "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
    "head_dim": 32, "intermediate_size": 128,
}  # fmt: skip
MORE: dict[str, dict[str, Any]] = {
    "Glm4vTextConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "GlmImageTextConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "GlmOcrTextConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "Glm4vMoeTextConfig": {
        "rope_parameters": {**_AXES, "mrope_section": [2, 3, 3], "partial_rotary_factor": 0.5}
    },
    "Qwen2VLTextConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "Qwen2_5_VLTextConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "Qwen2_5OmniTextConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "Qwen2_5OmniTalkerConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "PaddleOCRTextConfig": {"rope_parameters": {**_AXES, "mrope_section": [4, 6, 6]}},
    "BailingHybridConfig": {"linear_num_heads": 4, "num_expert_group": 1, "num_experts": 4},
    "ClvpEncoderConfig": {"projection_dim": 128},
    "BltConfig": {
        "patcher_config": {**_SMALL, "vocab_size": 260},
        "encoder_config": {**_SMALL, "hidden_size_global": 256, "cross_attn_k": 2},
        "decoder_config": {**_SMALL, "hidden_size_global": 256, "cross_attn_k": 2},
        "global_config": {**_SMALL, "hidden_size": 256, "head_dim": 64},
        "encoder_hash_byte_group_vocab": 64,
        "encoder_hash_byte_group_size": [3],
    },
    "MoonshineConfig": {
        "encoder_num_key_value_heads": 4, "decoder_num_key_value_heads": 4,
    },
    "EsmcConfig": {"num_key_value_heads": 4},
    "DiaConfig": {
        "encoder_config": _SMALL,
        "decoder_config": {
            **_SMALL, "cross_hidden_size": 128, "cross_num_attention_heads": 4,
            "cross_num_key_value_heads": 4, "cross_head_dim": 32,
        },
    },
    "Zamba2Config": {"mamba_expand": 2},
    "IdeficsConfig": {
        "vision_config": {
            "image_size": 32, "patch_size": 16, "embed_dim": 64, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 64,
        },
    },
}  # fmt: skip


def shrunk(config: dict[str, Any]) -> dict[str, Any]:
    """The same configuration, small."""
    small = dict(config)
    layers = next(
        (config[n] for n in ("num_hidden_layers", "n_layer", "num_layers") if n in config), 0
    )
    for name, value in config.items():
        if isinstance(value, bool):
            continue
        if name in SIZES and (isinstance(value, int) or name in ("head_dim", "sliding_window")):
            small[name] = SIZES[name] if value is not None or name == "head_dim" else None
        elif name.endswith("token_id") and isinstance(value, int) and name not in SIZES:
            small[name] = 3
        elif isinstance(value, list) and layers and len(value) == layers:
            # Two layers, of two kinds where there are two.
            other = next((x for x in value if x != value[0]), value[-1])
            small[name] = [value[0], other]
        elif name == "rope_parameters" and isinstance(value, dict):
            small[name] = _shrunk_rope(value)
        elif isinstance(value, dict) and "model_type" in value:
            small[name] = shrunk(value)
    return small


EMBEDDED = ("Nemotron3_5TranscribeWordTimestampConfig", "VoxtralRealtimeEncoderConfig")
AUDIO = ("MoonshineConfig", "MoonshineStreamingConfig")
DECODED = ("T5GemmaConfig",)


def _shrunk_rope(value: dict[str, Any]) -> dict[str, Any]:
    small = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            small[name] = _shrunk_rope(inner)
        elif name == "mrope_section":
            small[name] = {2: [8, 8], 3: [6, 5, 5], 4: [4, 4, 4, 4]}[len(inner)]
        elif name in ("long_factor", "short_factor"):
            small[name] = inner[:16]
        else:
            small[name] = inner
    return small


def configuration(name: str, folder: str) -> Any:
    """A small configuration of the class `name`."""
    module = importlib.import_module(f"transformers.models.{folder}.configuration_{folder}")
    kind = getattr(module, name)
    extra = OVERRIDES.get(name, {}).get("config", {})
    try:
        full = kind().to_dict()
    except Exception:  # some defaults do not fit each other
        full = {"vocab_size": 1, "hidden_size": 1, "intermediate_size": 1, "num_hidden_layers": 0,
                "num_attention_heads": 1, "num_key_value_heads": 1}  # fmt: skip
    # What is not changed may follow from what is.
    small = {k: v for k, v in shrunk(full).items() if v != full[k] or isinstance(v, dict)}
    small.pop("rope_parameters", None) if small.get("rope_parameters") == full.get(
        "rope_parameters"
    ) else None
    small.pop("per_layer_config", None)
    if "kv_lora_rank" in full:  # each head has a key of its own
        small["num_key_value_heads"] = 4
        small.pop("head_dim", None)
        small.pop("qk_head_dim", None)
    small |= MORE.get(name, {})
    for key, value in extra.items():
        if value == "__drop__":
            small.pop(key, None)
        elif "." in key:
            outer, _, inner = key.partition(".")
            small[outer][inner] = value
        else:
            small[key] = value
    return kind(**small)


def model_of(name: str, folder: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A tiny random model of the architecture, in evaluation mode."""
    from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel

    torch.manual_seed(0)
    config = configuration(name, folder)
    chosen = OVERRIDES.get(name, {}).get("class")
    modeling = importlib.import_module(f"transformers.models.{folder}.modeling_{folder}")
    if chosen is not None:
        model = getattr(modeling, chosen)._from_config(config)
    elif type(config) in AutoModelForCausalLM._model_mapping:
        model = AutoModelForCausalLM.from_config(config)
    elif type(config) in AutoModel._model_mapping:
        model = AutoModel.from_config(config)
    else:
        own = [
            kind for kind in vars(modeling).values()
            if isinstance(kind, type) and issubclass(kind, PreTrainedModel)
            and kind.config_class is type(config) and not kind.__name__.endswith("PreTrainedModel")
        ]  # fmt: skip
        model = min(own, key=lambda kind: len(kind.__name__))._from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            # Some are left as memory was found.
            if not weight.isfinite().all() or weight.abs().max() > 1e3:
                weight.normal_(std=0.02)
    return model.to(dtype).eval()


def inputs_of(name: str, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """What a forward pass of it takes."""
    entry = OVERRIDES.get(name, {})
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(4, VOCABULARY, (BATCH, SEQ), generator=generator)
    given: dict[str, Tensor] = {}
    if "inputs_embeds" in entry or name in EMBEDDED:
        size = (BATCH, SEQ, entry.get("inputs_embeds", 128))
        given["inputs_embeds"] = torch.randn(size, generator=generator).to(dtype)
    elif not entry.get("no_input_ids") and name not in AUDIO:
        if "codebooks" in entry:
            size = (BATCH, SEQ, entry["codebooks"])
            ids = torch.randint(4, 100, size, generator=generator)
        given["input_ids"] = ids
    if name in AUDIO:
        given["input_values"] = torch.randn(BATCH, 6400, generator=generator).to(dtype)
    if name in (*AUDIO, *DECODED):
        given["decoder_input_ids"] = ids
    for key, how in entry.get("inputs", {}).items():
        (kind, size), *_ = how.items()
        value = torch.ones(size) if kind == "ones" else torch.randn(size, generator=generator)
        given[key] = value.long() if kind == "ones" else value.to(dtype)
    return given

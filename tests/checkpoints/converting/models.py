"""Small models of every architecture that can be converted, with weights that all matter."""

from pathlib import Path
from typing import Any

import torch

_SHAPE: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MLA: dict[str, Any] = {
    "num_key_value_heads": 4, "kv_lora_rank": 10, "q_lora_rank": 14, "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 8, "v_head_dim": 12, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "n_shared_experts": 1,
}  # fmt: skip
# What differs, with everything on that may turn: biases, norms, parts of heads.
_OWN: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True},
    "qwen2_moe": {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2,
                  "shared_expert_intermediate_size": 32},
    "qwen3": {"head_dim": 16},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2,
                  "head_dim": 12},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 12},
    "gemma": {"head_dim": 16},
    "gemma2": {"head_dim": 16, "query_pre_attn_scalar": 16},
    "gemma3_text": {"head_dim": 16, "query_pre_attn_scalar": 16},
    "starcoder2": {"use_bias": True},
    "arcee": {"head_dim": 12},
    "seed_oss": {"head_dim": 16, "attention_bias": True},
    "helium": {"head_dim": 12},
    "ernie4_5": {"head_dim": 12, "use_bias": True},
    "cohere": {"use_qk_norm": True},
    "glm": {"head_dim": 16, "attention_bias": True, "partial_rotary_factor": 0.5},
    "glm4": {"head_dim": 16, "attention_bias": True, "partial_rotary_factor": 0.5},
    "phi": {"qk_layernorm": True, "partial_rotary_factor": 0.5},
    "stablelm": {"qk_layernorm": True, "use_qkv_bias": True, "partial_rotary_factor": 0.5},
    "nemotron": {"head_dim": 12, "attention_bias": True, "partial_rotary_factor": 0.5},
    "phi3": {},
    "persimmon": {"num_key_value_heads": 4, "qk_layernorm": True, "partial_rotary_factor": 0.5},
    "gpt_neox": {"num_key_value_heads": 4, "rotary_pct": 0.5},
    "falcon": {"num_kv_heads": 2, "new_decoder_architecture": True, "alibi": False, "bias": True},
    "gptj": {"n_embd": 48, "n_layer": 2, "n_head": 4, "rotary_dim": 8, "n_positions": 128,
             "n_inner": 64, "num_key_value_heads": 4},
    "smollm3": {"no_rope_layers": [1, 0]},
    "codegen": {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 8,
                "rotary_dim": 4, "n_ctx": 128, "n_inner": 64},
    "deepseek_v2": {**_MLA, "attention_bias": True, "first_k_dense_replace": 1},
    "deepseek_v3": {**_MLA, "attention_bias": True, "first_k_dense_replace": 1, "n_group": 1,
                    "topk_group": 1},
    "glm4_moe_lite": {**_MLA, "q_lora_rank": None},
    "youtu": {**_MLA, "q_lora_rank": None},
    "minicpm3": _MLA,
}  # fmt: skip


def build(model_type: str, **changes: Any) -> Any:
    """A model of transformers in float32, on the CPU."""
    from transformers import AutoConfig, AutoModelForCausalLM

    own = {**_OWN.get(model_type, {}), **changes}
    config = AutoConfig.for_model(model_type, **{**_SHAPE, **own})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 0.5 if parameter.ndim == 1 else 2.0 / parameter.shape[-1] ** 0.5
            noise = torch.randn(parameter.shape, generator=generator) * scale
            parameter.copy_(1 + noise if "norm" in name and "weight" in name else noise)
    return model.eval()


def save(model_type: str, folder: Path, **changes: Any) -> Path:
    """Such a model as a checkpoint in several files."""
    build(model_type, **changes).save_pretrained(folder, max_shard_size="40KB")
    return folder

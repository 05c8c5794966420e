"""Configs of published models, small where smallness changes nothing, and what converts them.

Each is what a `config.json` says about position; the second name is the class of transformers that
the file names, by which llama.cpp chooses its converter.
"""

from typing import Any

_TINY = {"hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64}
_LONG = [1.0 + 0.05 * pair for pair in range(32)]
_SHORT = [1.0 + 0.01 * pair for pair in range(32)]
_LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}
_MLA = {
    "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 64,
    "kv_lora_rank": 32, "q_lora_rank": 32, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32,
    "v_head_dim": 64, "num_hidden_layers": 3, "max_position_embeddings": 163840,
    "rope_theta": 10000.0, "n_routed_experts": 4, "moe_intermediate_size": 64,
}  # fmt: skip
_DEEPSEEK_YARN = {
    "type": "yarn", "factor": 40.0, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0,
    "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096,
}  # fmt: skip


def _text(model_type: str, layers: int = 4, **fields: Any) -> dict[str, Any]:
    made = {**_TINY, "num_hidden_layers": layers, "max_position_embeddings": 8192, **fields}
    return {"model_type": model_type, **made}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "llama": (_text("llama", rope_theta=500000.0), "LlamaForCausalLM"),
    "llama, llama3": (
        _text("llama", rope_theta=500000.0, rope_scaling=_LLAMA3, max_position_embeddings=131072),
        "LlamaForCausalLM",
    ),
    "llama, linear": (
        _text("llama", rope_scaling={"type": "linear", "factor": 4.0}), "LlamaForCausalLM",
    ),
    "llama, yarn": (
        _text("llama", rope_scaling=_YARN, max_position_embeddings=16384), "LlamaForCausalLM",
    ),
    "mistral": (
        _text("mistral", sliding_window=None, head_dim=128, rope_theta=1e6), "MistralForCausalLM",
    ),
    "ministral3": (
        _text(
            "ministral3", head_dim=64, max_position_embeddings=262144,
            rope_parameters={
                "rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "beta_fast": 32.0,
                "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0,
                "original_max_position_embeddings": 16384, "llama_4_scaling_beta": 0.1,
            },
        ),
        "Ministral3ForCausalLM",
    ),
    "deepseek_v2": (
        {
            "model_type": "deepseek_v2", **_MLA,
            "rope_scaling": {**_DEEPSEEK_YARN, "mscale": 0.707, "mscale_all_dim": 0.707},
        },
        "DeepseekV2ForCausalLM",
    ),
    "deepseek_v3": (
        {"model_type": "deepseek_v3", **_MLA, "rope_scaling": _DEEPSEEK_YARN},
        "DeepseekV3ForCausalLM",
    ),
    "deepseek_v3, not scaled": (
        {"model_type": "deepseek_v3", **_MLA, "max_position_embeddings": 4096},
        "DeepseekV3ForCausalLM",
    ),
    "llama4": (
        _text("llama4_text", 8, attention_chunk_size=8192, rope_theta=500000.0, head_dim=64,
              interleave_moe_layer_step=1, intermediate_size_mlp=64),
        "Llama4ForCausalLM",
    ),
    "smollm3": (_text("smollm3", 8, rope_theta=2e6), "SmolLM3ForCausalLM"),
    "cohere": (_text("cohere", rope_theta=8e6), "CohereForCausalLM"),
    "cohere2": (
        _text("cohere2", 8, rotary_pct=1.0, rope_theta=50000.0, sliding_window=512, head_dim=64),
        "Cohere2ForCausalLM",
    ),
    "exaone4, 64 layers": (
        _text("exaone4", 64, sliding_window=4096, sliding_window_pattern=4, rope_theta=1e6,
              rope_scaling={**_LLAMA3, "factor": 16.0}, max_position_embeddings=131072),
        "Exaone4ForCausalLM",
    ),
    "exaone4, no window": (
        _text("exaone4", 6, sliding_window=None, rope_theta=1e6,
              layer_types=["full_attention"] * 6),
        "Exaone4ForCausalLM",
    ),
    "lfm2": (
        _text("lfm2", 6, layer_types=["conv", "conv", "full_attention"] * 2, rope_theta=1e6,
              intermediate_size=512),
        "Lfm2ForCausalLM",
    ),
    "gemma": (_text("gemma", head_dim=128), "GemmaForCausalLM"),
    "gemma2": (
        _text("gemma2", 6, head_dim=128, query_pre_attn_scalar=128, sliding_window=512),
        "Gemma2ForCausalLM",
    ),
    "gemma2, 46 layers": (
        _text("gemma2", 46, head_dim=128, query_pre_attn_scalar=64), "Gemma2ForCausalLM",
    ),
    "gemma3": (
        _text("gemma3_text", 8, head_dim=128, query_pre_attn_scalar=128, sliding_window=512,
              rope_theta=1e6, rope_local_base_freq=10000.0,
              rope_scaling={"rope_type": "linear", "factor": 8.0}),
        "Gemma3ForCausalLM",
    ),
    "gemma4": (
        _text("gemma4_text", 12, head_dim=64, global_head_dim=128, sliding_window=512,
              num_global_key_value_heads=2, num_kv_shared_layers=0),
        "Gemma4ForCausalLM",
    ),
    "gpt_oss": (
        _text("gpt_oss", 6, head_dim=64, sliding_window=128, rope_theta=150000.0,
              max_position_embeddings=131072,
              rope_scaling={**_YARN, "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                            "truncate": True}),
        "GptOssForCausalLM",
    ),
    "gpt_oss, as published": (
        _text("gpt_oss", 6, head_dim=64, sliding_window=128, rope_theta=150000.0,
              max_position_embeddings=131072,
              rope_scaling={**_YARN, "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                            "truncate": False}),
        "GptOssForCausalLM",
    ),
    "olmo2": (_text("olmo2", rope_theta=500000.0), "Olmo2ForCausalLM"),
    "olmo3": (
        _text("olmo3", 8, sliding_window=512, rope_theta=500000.0, rope_scaling={
            **_YARN, "factor": 8.0, "attention_factor": 1.2079441541679836,
        }),
        "Olmo3ForCausalLM",
    ),
    "glm4": (_text("glm4", head_dim=64, partial_rotary_factor=0.5), "Glm4ForCausalLM"),
    "qwen2": (_text("qwen2", rope_theta=1e6), "Qwen2ForCausalLM"),
    "qwen3": (_text("qwen3", head_dim=128, rope_theta=1e6), "Qwen3ForCausalLM"),
    "qwen3_moe": (
        _text("qwen3_moe", head_dim=64, rope_theta=1e6, num_experts=4), "Qwen3MoeForCausalLM",
    ),
    "qwen2_vl": (
        {
            "model_type": "qwen2_vl",
            "text_config": _text("qwen2_vl_text", rope_theta=1e6,
                                 rope_scaling={"type": "mrope", "mrope_section": [8, 12, 12]}),
        },
        "Qwen2VLForConditionalGeneration",
    ),
    "qwen3_vl": (
        {
            "model_type": "qwen3_vl",
            "text_config": _text(
                "qwen3_vl_text", head_dim=128, rope_theta=5e6,
                rope_scaling={"rope_type": "default", "mrope_interleaved": True,
                              "mrope_section": [24, 20, 20]},
            ),
        },
        "Qwen3VLForConditionalGeneration",
    ),
    "phi3": (
        _text("phi3", rope_theta=10000.0, max_position_embeddings=131072, pad_token_id=0,
              original_max_position_embeddings=4096,
              rope_scaling={"type": "longrope", "long_factor": _LONG, "short_factor": _SHORT}),
        "Phi3ForCausalLM",
    ),
    "phi3, not scaled": (
        _text("phi3", rope_theta=10000.0, pad_token_id=0, sliding_window=2047,
              original_max_position_embeddings=4096, max_position_embeddings=4096),
        "Phi3ForCausalLM",
    ),
    "phi": (_text("phi", partial_rotary_factor=0.5, intermediate_size=512), "PhiForCausalLM"),
    "stablelm": (
        _text("stablelm", partial_rotary_factor=0.25, use_parallel_residual=False),
        "StableLmForCausalLM",
    ),
    "gpt_neox": (
        _text("gpt_neox", rotary_pct=0.25, intermediate_size=512, layer_norm_eps=1e-5),
        "GPTNeoXForCausalLM"),
    "starcoder2": (
        _text("starcoder2", sliding_window=None, rope_theta=1e6), "Starcoder2ForCausalLM",
    ),
    "falcon": (
        {"model_type": "falcon", "hidden_size": 256, "num_attention_heads": 4, "vocab_size": 64,
         "num_hidden_layers": 3, "new_decoder_architecture": True, "num_kv_heads": 2},
        "FalconForCausalLM",
    ),
    "granite": (
        _text("granite", attention_multiplier=0.0078125, rope_theta=1e7), "GraniteForCausalLM",
    ),
    "nemotron": (_text("nemotron", partial_rotary_factor=0.5), "NemotronForCausalLM"),
    "seed_oss": (_text("seed_oss", head_dim=128, rope_theta=1e7), "SeedOssForCausalLM"),
    "arcee": (_text("arcee", rope_scaling=_YARN), "ArceeForCausalLM"),
    "ernie4_5": (_text("ernie4_5", head_dim=64, rope_theta=500000.0), "Ernie4_5ForCausalLM"),
    "minicpm3": (
        {"model_type": "minicpm3", **{k: v for k, v in _MLA.items() if "expert" not in k},
         "max_position_embeddings": 32768, "scale_emb": 12, "scale_depth": 1.4,
         "dim_model_base": 256, "intermediate_size": 512, "rms_norm_eps": 1e-5},
        "MiniCPM3ForCausalLM",
    ),
    "gpt2": (
        {"model_type": "gpt2", "n_embd": 256, "n_head": 4, "n_layer": 3, "n_positions": 1024,
         "n_ctx": 1024},
        "GPT2LMHeadModel",
    ),
    "gpt_bigcode": (
        {"model_type": "gpt_bigcode", "n_embd": 256, "n_head": 4, "n_layer": 3,
         "n_positions": 8192},
        "GPTBigCodeForCausalLM",
    ),
    "bloom": (
        {"model_type": "bloom", "hidden_size": 256, "n_head": 6, "n_layer": 3},
        "BloomForCausalLM",
    ),
    "mpt": (
        {"model_type": "mpt", "d_model": 256, "n_heads": 4, "n_layers": 3, "max_seq_len": 2048,
         "attn_config": {"alibi": True, "alibi_bias_max": 8}},
        "MPTForCausalLM",
    ),
    "bert": (_text("bert", max_position_embeddings=512, intermediate_size=512), "BertModel"),
    "nomic_bert": (
        _text("nomic_bert", max_position_embeddings=2048,
              rope_parameters={"rope_type": "default", "rope_theta": 1000.0}),
        "NomicBertModel",
    ),
    "modernbert": (
        _text("modernbert", 7, intermediate_size=512, global_rope_theta=160000.0,
              local_rope_theta=10000.0, local_attention=128, global_attn_every_n_layers=3),
        "ModernBertModel",
    ),
}  # fmt: skip

UNKNOWN_TO_TRANSFORMERS: dict[str, tuple[dict[str, Any], str]] = {
    "baichuan of 32": (_text("baichuan", 32), "BaichuanForCausalLM"),
    "baichuan of 40": (_text("baichuan", 40), "BaichuanForCausalLM"),
    "minicpm": (
        _text("minicpm", scale_emb=12, scale_depth=1.4, dim_model_base=256, rms_norm_eps=1e-5,
              intermediate_size=512, max_position_embeddings=32768, rope_theta=10000.0,
              rope_scaling={"rope_type": "longrope", "long_factor": _LONG, "short_factor": _SHORT,
                            "original_max_position_embeddings": 32768}),
        "MiniCPMForCausalLM",
    ),
    "jina-bert-v2": (
        _text("bert", position_embedding_type="alibi", intermediate_size=512), "JinaBertModel",
    ),
    "refact": (
        {"model_type": "gpt_refact", "n_embd": 256, "n_head": 4, "n_layer": 3,
         "n_positions": 4096, "layer_norm_epsilon": 1e-5},
        "GPTRefactForCausalLM",
    ),
}  # fmt: skip
AS_WRITTEN: dict[str, dict[str, Any]] = {
    "gpt_neox": {},
    "nomic_bert": {
        "n_embd": 256, "n_head": 4, "n_layer": 4, "n_inner": 512, "n_positions": 8192,
        "max_trained_positions": 2048, "activation_function": "swiglu", "causal": False,
        "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "prenorm": False,
        "rotary_emb_fraction": 1.0, "rotary_emb_base": 1000, "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
    },
}  # fmt: skip
"""Whose converters want the names of the file, which transformers renames, and which they want."""

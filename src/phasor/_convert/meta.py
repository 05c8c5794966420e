"""LLaMA as Meta publishes it and as transformers has it: names and configuration."""

import re
from pathlib import Path
from typing import Any

from phasor._convert.json_file import number, whole_number
from phasor._convert.source import Source
from phasor.errors import ArgumentError

# Meta's name, transformers' name; N is the number of a layer.
_NAMES = {
    "tok_embeddings.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
    "layers.N.attention.wq.weight": "model.layers.N.self_attn.q_proj.weight",
    "layers.N.attention.wk.weight": "model.layers.N.self_attn.k_proj.weight",
    "layers.N.attention.wv.weight": "model.layers.N.self_attn.v_proj.weight",
    "layers.N.attention.wo.weight": "model.layers.N.self_attn.o_proj.weight",
    "layers.N.attention_norm.weight": "model.layers.N.input_layernorm.weight",
    "layers.N.ffn_norm.weight": "model.layers.N.post_attention_layernorm.weight",
    "layers.N.feed_forward.w1.weight": "model.layers.N.mlp.gate_proj.weight",
    "layers.N.feed_forward.w2.weight": "model.layers.N.mlp.down_proj.weight",
    "layers.N.feed_forward.w3.weight": "model.layers.N.mlp.up_proj.weight",
}
_BACK = {there: here for here, there in _NAMES.items()}
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
# Frequencies that old checkpoints carry; both codes derive them.
_DERIVED = re.compile(r"rope\.freqs|(?:model\.)?(?:layers\.\d+\..*)?rotary_emb\.inv_freq")

_PARAMS = {
    "dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "vocab_size", "multiple_of",
    "ffn_dim_multiplier", "norm_eps", "rope_theta", "use_scaled_rope", "rope_scaling_factor",
    "rope_high_freq_factor", "max_seq_len", "max_batch_size",
    # Mistral's, whose models without a window are LLaMAs.
    "hidden_dim", "max_position_embeddings",
}  # fmt: skip
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
_ORIGINAL = 8192


def other_name(name: str, *, to: str) -> str | None:
    """The name in the other format, or `None` for frequencies, which neither needs."""
    if _DERIVED.fullmatch(name):
        return None
    layer = re.search(r"layers\.(\d+)\.", name)
    plain = re.sub(r"layers\.\d+\.", "layers.N.", name)
    table = _NAMES if to == "hf" else _BACK
    if plain not in table:
        raise ArgumentError(
            f"{name} has no name in the {'transformers' if to == 'hf' else 'Meta'} format of LLaMA"
        )
    return table[plain].replace("layers.N.", f"layers.{layer[1]}." if layer else "")


def config_of_params(source: Source) -> dict[str, Any]:
    """`config.json` for what `params.json` and the tensors say."""
    params, where = source.config, source.folder / "params.json"
    unknown = sorted(name for name in set(params) - _PARAMS if params[name] is not None)
    if unknown:
        raise ArgumentError(f"{where} has {unknown[0]}, which LLaMA does not")
    shapes = {entry.name: entry.shape for entry in source.entries}
    try:
        vocab_size, width = shapes["tok_embeddings.weight"]
        intermediate, _ = shapes["layers.0.feed_forward.w1.weight"]
    except (KeyError, ValueError):
        raise ArgumentError(
            f"{source.folder} lacks tok_embeddings.weight or layers.0.feed_forward.w1.weight as "
            "LLaMA has them, whole in one checkpoint"
        ) from None
    num_heads = source.heads.num_heads
    if width % num_heads:
        raise ArgumentError(
            f"{where} says dim {width} and {num_heads} heads, which do not divide it; transformers "
            "has no LLaMA like that"
        )
    stated = whole_number(params, "hidden_dim", where=where)
    if stated not in (None, intermediate):
        raise ArgumentError(
            f"{where} says hidden_dim {stated}, and layers.0.feed_forward.w1.weight has "
            f"{intermediate} rows; they are of two models"
        )
    if stated is not None and params.get("rope_theta") is None:
        raise ArgumentError(
            f'{where} is Mistral\'s and has no rope_theta; add "rope_theta": 1000000 where its '
            "model has no window"
        )
    longest = whole_number(params, "max_position_embeddings", "max_seq_len", where=where)
    if longest is None:
        raise ArgumentError(
            f'{where} does not say the longest sequence; add "max_seq_len": 2048 for LLaMA, 4096 '
            "for Llama 2, 8192 for Llama 3, 131072 for Llama 3.1 and later"
        )
    rope: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": number(params, "rope_theta", where=where) or 10_000.0,
    }
    if params.get("use_scaled_rope"):
        factor = number(params, "rope_scaling_factor", where=where)
        if factor is None:
            raise ArgumentError(
                f'{where} does not say how far rope is scaled; add "rope_scaling_factor": 8 for '
                "Llama 3.1, 32 for Llama 3.2"
            )
        high = number(params, "rope_high_freq_factor", where=where)
        rope |= {
            "rope_type": "llama3",
            "factor": factor,
            **_LLAMA3,
            "original_max_position_embeddings": _ORIGINAL,
        } | ({"high_freq_factor": high} if high else {})
    layers = whole_number(params, "n_layers", where=where)
    dtypes = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "dtype": dtypes.get(source.entries[0].dtype, "float32"),
        "head_dim": source.heads.head_dim,
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": intermediate,
        "max_position_embeddings": longest,
        "num_attention_heads": source.heads.num_heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": source.heads.num_kv_heads,
        "rms_norm_eps": number(params, "norm_eps", where=where) or 1e-5,
        "rope_parameters": rope,
        "tie_word_embeddings": False,
        "vocab_size": vocab_size,
    }


def params_of_config(source: Source) -> dict[str, Any]:
    """`params.json` for a LLaMA of transformers; raises on what Meta's code does not do."""
    config, where = source.config, source.folder / "config.json"
    heads = source.heads
    if config.get("model_type") != "llama":
        raise ArgumentError(
            f"format='meta' is for LLaMA, and {where} is {config.get('model_type')!r}; use layout="
        )
    expected = {"attention_bias": False, "mlp_bias": False, "hidden_act": "silu"}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise ArgumentError(f"Meta's LLaMA has no {key} {config[key]!r}, as {where} says")
    width = whole_number(config, "hidden_size", where=where)
    layers = whole_number(config, "num_hidden_layers", where=where)
    intermediate = whole_number(config, "intermediate_size", where=where)
    vocab_size = whole_number(config, "vocab_size", where=where)
    if width is None or layers is None or intermediate is None or vocab_size is None:
        raise ArgumentError(
            f"{where} must say hidden_size, num_hidden_layers, intermediate_size and vocab_size"
        )
    if heads.num_heads * heads.head_dim != width:
        raise ArgumentError(
            f"Meta's LLaMA has heads of hidden_size / num_attention_heads channels, and {where} "
            f"says {heads.head_dim}"
        )
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = number(rope, "rope_theta", where=where) or number(config, "rope_theta", where=where)
    longest = whole_number(config, "max_position_embeddings", where=where)
    return {
        "dim": width,
        "n_layers": layers,
        "n_heads": heads.num_heads,
        "n_kv_heads": heads.num_kv_heads or heads.num_heads,
        "vocab_size": vocab_size,
        **_feed_forward(width, intermediate),
        "norm_eps": number(config, "rms_norm_eps", where=where) or 1e-6,
        "rope_theta": theta or 10_000.0,
        **_scaled_rope(rope, where),
        **({"max_seq_len": longest} if longest else {}),
    }


def _scaled_rope(rope: dict[str, Any], where: Path) -> dict[str, Any]:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return {"use_scaled_rope": False}
    standard = {**_LLAMA3, "original_max_position_embeddings": _ORIGINAL}
    if kind != "llama3" or any(rope.get(key) != value for key, value in standard.items()):
        raise ArgumentError(
            f"Meta's code scales rope as Llama 3.1 does or not at all; {where} says {rope}"
        )
    return {"use_scaled_rope": True, "rope_scaling_factor": number(rope, "factor", where=where)}


def feed_forward_size(width: int, multiple_of: int, multiplier: float | None) -> int:
    """Meta's rule for the width of a feed-forward layer."""
    size = int(8 * width / 3)
    if multiplier is not None:
        size = int(multiplier * size)
    return -(-size // multiple_of) * multiple_of


def _feed_forward(width: int, intermediate: int) -> dict[str, Any]:
    """The parameters from which Meta's rule makes `intermediate`."""
    for multiple_of in (256, 1024, 4096, 512, 128, 64, 32):
        for multiplier in (None, 1.3, 1.5, 1.4):
            if feed_forward_size(width, multiple_of, multiplier) == intermediate:
                found = {"multiple_of": multiple_of, "ffn_dim_multiplier": multiplier}
                return {key: value for key, value in found.items() if value is not None}
    multiplier = (intermediate + 0.5) / int(8 * width / 3)
    return {"multiple_of": 1, "ffn_dim_multiplier": multiplier}

"""Random changes of configs, headers and files, each from a seed."""

import copy
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

_MODULE = "transformers.models.auto.configuration_auto"
_YARN = {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32, "beta_slow": 1}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_LONG = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
_SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
_TEXT: dict[str, Any] = {"rope_theta": 10_000.0, "rms_norm_eps": 1e-6, "vocab_size": 320, **_SMALL}
PLAIN: list[dict[str, Any]] = [
    {"model_type": "llama", **_TEXT},
    {"model_type": "llama", **_TEXT, "rope_scaling": _LLAMA3},
    {"model_type": "qwen2", **_TEXT, "rope_scaling": {"type": "linear", "factor": 2.0}},
    {"model_type": "qwen3", **_TEXT, "rope_scaling": _YARN, "head_dim": 32},
    {"model_type": "mistral", **_TEXT, "sliding_window": 128, "head_dim": 16},
    {"model_type": "gemma", **_TEXT, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
]
"""Read without transformers too."""
CONFIGS: list[dict[str, Any]] = [
    *PLAIN,
    {"model_type": "phi3", **_TEXT, "original_max_position_embeddings": 512, "pad_token_id": 0,
     "rope_scaling": {**_LONG, "attention_factor": 1.2}},
    {"model_type": "gemma3_text", **_TEXT, "sliding_window": 8, "head_dim": 16,
     "layer_types": ["sliding_attention", "full_attention"]},
    {"model_type": "qwen2_vl", "text_config": {
        "model_type": "qwen2_vl_text", **_TEXT,
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 2, 2]}},
     "vision_config": {"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 64}},
    {"model_type": "deepseek_v3", **_TEXT, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
     "rope_scaling": {**_YARN, "mscale": 1.0, "mscale_all_dim": 1.0}},
    {"model_type": "gpt_neox", **_TEXT, "rotary_pct": 0.25, "rotary_emb_base": 10_000},
    {"model_type": "granite_swa", **_TEXT, "layer_rope_theta": [1e4, 0.0]},
    {"model_type": "falcon", **_SMALL, "alibi": True, "n_head": 4},
    {"model_type": "bloom", "n_layer": 2, "n_head": 4, "hidden_size": 64},
    {"model_type": "t5", "d_model": 64, "num_layers": 2, "num_heads": 4, "d_kv": 16,
     "relative_attention_num_buckets": 8, "relative_attention_max_distance": 32},
    {"model_type": "opt", **_SMALL, "word_embed_proj_dim": 64, "ffn_dim": 64},
    {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128},
    {"model_type": "bert", **_SMALL, "type_vocab_size": 2},
    {"model_type": "deberta-v2", **_SMALL, "relative_attention": True, "position_buckets": 8,
     "pos_att_type": ["c2p", "p2c"], "max_relative_positions": -1},
    {"model_type": "xlnet", "d_model": 64, "n_layer": 2, "n_head": 4, "clamp_len": -1},
    {"model_type": "dinov3_vit", **_SMALL, "image_size": 64, "patch_size": 16},
    {"model_type": "llama4_text", **_TEXT, "attention_chunk_size": 64, "head_dim": 16,
     "no_rope_layers": [1, 0], "attn_temperature_tuning": True, "floor_scale": 64},
    {"model_type": "modernbert", **_SMALL, "local_attention": 8, "global_rope_theta": 16e4},
    {"model_type": "whisper", "d_model": 64, "encoder_layers": 2, "decoder_layers": 2,
     "max_source_positions": 64, "max_target_positions": 32},
    {"model_type": "esm", **_SMALL, "position_embedding_type": "rotary", "vocab_size": 33,
     "pad_token_id": 1, "mask_token_id": 32},
]  # fmt: skip
PARAMS: list[dict[str, Any]] = [
    {"dim": 64, "n_layers": 2, "n_heads": 4, "rope_theta": 500000.0, "use_scaled_rope": True},
    {"dim": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16, "max_seq_len": 64,
     "rope_theta": 1e6, "hidden_dim": 128, "vocab_size": 320, "norm_eps": 1e-5},
    {"dim": 64, "n_layers": 2, "n_heads": 4, "use_scaled_rope": True, "rope_scaling_factor": 32.0,
     "rope_high_freq_factor": 4.0},
]  # fmt: skip
NAMES = sorted(
    {name for config in (*CONFIGS, *PARAMS) for name in config}
    | {name for each in (_YARN, _LLAMA3, _LONG) for name in each}
    | {"partial_rotary_factor", "attention_factor", "mrope_section", "truncate", "alpha", "type"}
    | {"num_labels", "id2label", "text_config", "per_layer_config", "rope_parameters", "dtype"}
    | {"short_mscale", "long_mscale", "is_causal", "use_sliding_window", "quantization_config"}
)
EXTREME: list[Any] = [
    None, True, False, 0, 1, 2, 3, -1, 7, 127, 2**20, 2**31, 2**40, 2**63, 10**9, 10**12, 10**400,
    0.0, -0.0, 0.5, -1.5, 1e-300, 5e-324, 1e9, 1e30, 1e300, 1.7e308, float("nan"), float("inf"),
    -float("inf"), "", "x", "1", "yarn", "longrope", "llama3", "default", "dynamic", "linear",
    "proportional", "mrope", "full_attention", "sliding_attention", "\0", "é" * 99, [], {}, [[]],
    [None], [0], [1.0] * 8, [10**9] * 3, [-1], {"a": 1}, {"rope_type": "yarn"}, _LONG,
]  # fmt: skip


def mutated(draw: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    """The object with one to three of its places changed."""
    value = copy.deepcopy(value)
    for _ in range(draw.randint(1, 3)):
        holder, key = draw.choice(list(_places(value)))
        old = holder[key]
        act = draw.randrange(9)
        if act == 0:
            del holder[key]
        elif act == 1 and isinstance(old, (int, float)) and abs(old) < 1e300:
            holder[key] = old * draw.choice((-1, 0, 0.5, 1.5, 2, 3, 1000, 10**6, 1e30))
        elif act == 2 and isinstance(old, (int, float)) and abs(old) < 1e300:
            holder[key] = draw.choice((float, str, bool))(old)
        elif act == 3:
            other, name = draw.choice(list(_places(value)))
            holder[key] = copy.deepcopy(other[name])
        elif act == 4:
            holder[key] = draw.choice(([old], {"a": old}, [old] * 2, {str(key): old}))
        elif act == 5:
            holder[key] = draw.choice((1, -1)) * 10 ** draw.uniform(-12, 18)
        elif act == 6:
            target = draw.choice([value, *(each[k] for each, k in _places(value))])
            if isinstance(target, dict):
                target[draw.choice(NAMES)] = copy.deepcopy(draw.choice(EXTREME))
        else:
            holder[key] = copy.deepcopy(draw.choice(EXTREME))
        if not value:
            break
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)) and value[key]:
            yield from _places(value[key])


def changed_bytes(draw: random.Random, data: bytes) -> bytes:
    """Bytes with some of them flipped, cut, doubled or drawn anew."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 2)):
        at = draw.randrange(len(found) + 1)
        act = draw.randrange(8)
        if act < 4 and found:
            found[at % len(found)] ^= 1 << draw.randrange(8)
        elif act == 4:
            del found[at:]
        elif act == 5:
            found[at:at] = draw.randbytes(draw.randint(1, 9))
        elif act == 6:
            found[at : at + 8] = draw.choice((b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 2**60)))
        else:
            found[at:at] = found[at : at + draw.randint(1, 200)]
    return bytes(found)


# GGUF: values are (type, what it says); a number in place of what it says is a count that lies.
_TYPES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
_LIES = (0, 1, 3, 255, 2**16, 2**31, 2**32 - 1, 2**40, 2**60, 2**63, 2**64 - 1)
_KNOWN = ("llama", "qwen2", "phi3", "gemma2", "baichuan", "mpt", "deepseek2", "gemma3", "gpt-oss")


def gguf_file(draw: random.Random, *, honest: bool) -> bytes:
    """A GGUF file whose values, and whose counts unless `honest`, are drawn."""
    model = draw.choice(_KNOWN)
    values: dict[str, tuple[int, Any]] = {
        "general.architecture": (8, model),
        "general.alignment": (4, 32),
        f"{model}.block_count": (4, 2),
        f"{model}.context_length": (4, 4096),
        f"{model}.embedding_length": (4, 64),
        f"{model}.attention.head_count": (4, 4),
        f"{model}.rope.freq_base": (6, 10_000.0),
        f"{model}.rope.dimension_count": (4, 16),
        "tokenizer.ggml.tokens": (9, (8, ["a", "b", "c"])),
        "tokenizer.ggml.scores": (9, (6, [0.0, 1.0, 2.0])),
    }
    if draw.random() < 0.4:
        values[f"{model}.rope.scaling.type"] = (8, draw.choice(("yarn", "linear", "none")))
        values[f"{model}.rope.scaling.factor"] = (6, 4.0)
        values[f"{model}.rope.scaling.original_context_length"] = (4, 1024)
    factors = [1.0] * 8
    if not honest and draw.random() < 0.2:
        factors = draw.choice(([1.0] * 7, [0.0] * 8, [float("nan")] * 8, []))
    if not honest:
        for _ in range(draw.randint(1, 3)):
            name = draw.choice(list(values))
            values[name] = draw.choice(
                (
                    (4, draw.choice(_LIES) % 2**32),
                    (10, draw.choice(_LIES)),
                    (5, -1),
                    (7, 1),
                    (6, draw.choice((float("nan"), float("inf"), 0.0, -1.0, 1e-38, 3e38))),
                    (12, draw.choice((1e300, 5e-324))),
                    (8, draw.choice(("", "x", "é"))),
                    (9, (draw.choice((0, 4, 6, 8, 9, 99)), draw.choice(_LIES))),
                    (9, (4, [16, 24, 24, 0])),
                    (draw.choice((13, 99, 2**31)), None),
                )
            )
    out = bytearray(b"GGUF")
    count = draw.choice(_LIES) if not honest and draw.random() < 0.05 else len(values)
    tensors = draw.choice(_LIES) if not honest and draw.random() < 0.05 else 1
    version = draw.choice((2, 1, 0, 2**24)) if not honest and draw.random() < 0.05 else 3
    out += struct.pack("<IQQ", version, tensors, count)
    for name, (kind, said) in values.items():
        out += _string(name) + struct.pack("<I", kind) + _value(kind, said)
    shape = [len(factors)]
    if not honest and draw.random() < 0.1:
        shape = draw.choice(([2**32] * 2, [2**63], [], [0], [1] * 9, [2**64 - 1] * 4))
    out += _string("rope_freqs.weight") + struct.pack("<I", len(shape))
    out += b"".join(struct.pack("<Q", size) for size in shape)
    kind, offset = 0, 0
    if not honest and draw.random() < 0.1:
        kind, offset = draw.choice((0, 1, 8, 99)), draw.choice((0, *_LIES))
    out += struct.pack("<IQ", kind, offset)
    out += b"\0" * (-len(out) % 32) + struct.pack(f"<{len(factors)}f", *factors)
    return bytes(out)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(kind: int, said: Any) -> bytes:
    if kind == 8:
        return _string(said)
    if kind != 9:
        return struct.pack(f"<{_TYPES[kind]}", said) if kind in _TYPES else b""
    item, items = said
    if isinstance(items, int):
        return struct.pack("<IQ", item, items)
    return struct.pack("<IQ", item, len(items)) + b"".join(_value(item, each) for each in items)


def safetensors_file(draw: random.Random) -> bytes:
    """A file of frequencies whose header, length or bytes are drawn."""
    numbers = struct.pack("<8f", *(10_000.0 ** (-pair / 8) for pair in range(8)))
    header: dict[str, Any] = {
        "__metadata__": {"format": "pt"},
        "model.rotary_emb.inv_freq": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]},
        "model.layers.0.self_attn.q_proj.weight": {
            "dtype": "F32", "shape": [64, 64], "data_offsets": [32, 32 + 4 * 64 * 64],
        },
    }  # fmt: skip
    data = numbers + bytes(4 * 64 * 64)
    act = draw.randrange(4)
    if act < 3:
        for _ in range(draw.randint(0, 2)):
            holder, key = draw.choice(list(_places(header)))
            holder[key] = copy.deepcopy(
                draw.choice(
                    (*EXTREME, "BF16", "F64", "I8", "F8_E4M3", "F4", "C64", "BOOL", "U64", [2, 4])
                )
            )
    text = json.dumps(header).encode()
    length = draw.choice(_LIES) if act == 2 else len(text)
    whole = struct.pack("<Q", length) + text + data
    return changed_bytes(draw, whole) if act == 3 else whole

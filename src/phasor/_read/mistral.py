"""Mistral's `params.json`: its models as their authors publish them.

Mistral's own code is `args.py`, `transformer.py` and `vision_encoder.py` of mistral-inference. What
is younger than it (`yarn`, `llama_4_scaling`) is read as vLLM does, in
`vllm/transformers_utils/configs/mistral.py`, which Mistral contributes to.
"""

from collections.abc import Mapping
from typing import Any

from phasor._encoding_spec import EncodingSpec
from phasor._read.axes import image_rotary
from phasor._read.fields import MOST_TOKENS, Fields, short
from phasor._read.limits import MAX_LAYERS
from phasor._read.notes import Notes
from phasor.rotary.scaling import YaRN, yarn
from phasor.spec import (
    GeometricSpec,
    LayerSpec,
    PositionSpec,
    QueryTemperatureSpec,
    RotarySpec,
)

_OWN = {"hidden_dim", "sliding_window", "_sliding_window", "yarn", "llama_4_scaling"}
_OWN |= {"vision_encoder"}

_READ = _OWN | {"dim", "n_layers", "n_heads", "head_dim", "rope_theta", "max_seq_len"}
_READ |= {"max_position_embeddings", "qk_rope_head_dim", "qk_nope_head_dim", "model_type"}
_NOT_ABOUT_POSITION = {
    "activation",
    "dtype",
    "kv_lora_rank",
    "lora",
    "max_batch_size",
    "moe",
    "n_kv_heads",
    "norm_eps",
    "q_lora_rank",
    "quantization",
    "tied_embeddings",
    "v_head_dim",
    "vocab_size",
}

_WITH_WINDOW, _WITHOUT = 10_000.0, 1_000_000.0
"""The base where the file has none, as Mistral's code had it when it published such files."""


def is_mistral(params: Mapping[str, Any]) -> bool:
    """Whether a `params.json` is Mistral's and not Meta's, which states no `hidden_dim`."""
    return not _OWN.isdisjoint(params)


def read_mistral(params: Mapping[str, Any], notes: Notes) -> PositionSpec:
    """The spec of Mistral's `params.json`.

    Neighbours are paired, as Mistral's own weights are ordered.

    Raises:
        ArgumentError: A value that cannot be; if strict, a key that is not known.
    """
    fields = Fields(params, notes)
    _doubt_unknown(params, _READ | _NOT_ABOUT_POSITION, "", notes)
    count = fields.whole("n_layers", most=MAX_LAYERS)
    windows = _windows(fields, count)
    shared = _encodings(fields, has_window=any(windows))
    layers = {size: LayerSpec(encodings=shared, window=size) for size in windows}
    vision = _vision(fields)
    return PositionSpec(
        model="mistral",
        layers=tuple(layers[size] for size in windows),
        max_seq_len=_length(fields),
        towers=() if vision is None else (vision,),
    )


def _encodings(fields: Fields, *, has_window: bool) -> tuple[EncodingSpec[Any], ...]:
    notes = fields.notes
    if fields.get("rope_theta") is None:
        base = _WITH_WINDOW if has_window else _WITHOUT
        notes.note(f"rope_theta is missing; Mistral's code takes {base:g} here")
    else:
        base = fields.number("rope_theta")
    width = fields.whole_or("qk_rope_head_dim", None)
    if width is None:
        head_dim = width = _head_dim(fields)
    else:
        head_dim = width + fields.whole("qk_nope_head_dim")
        notes.doubt(
            f"qk_rope_head_dim {width}: of such heads only the rotation is read, not the scale of "
            "the softmax"
        )
    rotary = RotarySpec(
        head_dim=head_dim,
        frequencies=GeometricSpec(rotary_dim=width, base=base),
        scaling=_yarn(fields),
        layout="interleaved",
        rotary_slice="trailing" if width < head_dim else "leading",
    )
    grown = _part(fields, "llama_4_scaling", {"original_max_position_embeddings", "beta"})
    if grown is None:
        return (rotary,)
    length = grown.whole("original_max_position_embeddings", most=MOST_TOKENS)
    temperature = QueryTemperatureSpec(original_seq_len=length, coefficient=grown.number("beta"))
    return (rotary, temperature)


def _head_dim(fields: Fields) -> int:
    given = fields.whole_or("head_dim", None)
    return fields.whole("dim") // fields.whole("n_heads") if given is None else given


def _yarn(fields: Fields) -> YaRN | None:
    keys = {"factor", "original_max_position_embeddings", "beta", "alpha", "apply_scale"}
    own = _part(fields, "yarn", keys)
    if own is None:
        return None
    scaled = own.get("apply_scale", True)
    if not isinstance(scaled, bool):
        raise own.wrong("yarn.apply_scale", "true or false", scaled)
    return yarn(
        factor=own.number("factor"),
        original_seq_len=own.whole("original_max_position_embeddings", most=MOST_TOKENS),
        beta_fast=own.number("beta", YaRN.beta_fast),
        beta_slow=own.number("alpha", YaRN.beta_slow),
        attention_factor=None if scaled else 1.0,
    )


def _windows(fields: Fields, count: int) -> list[int | None]:
    """The window of each layer: one for all, or a list that is repeated."""
    names = [name for name in ("sliding_window", "_sliding_window") if fields.get(name) is not None]
    if not names:
        return [None] * count
    if len(names) > 1:
        raise fields.notes.wrong("sliding_window and _sliding_window are two names of one number")
    given = fields.get(names[0])
    if not isinstance(given, list):
        return [fields.whole(names[0], most=MOST_TOKENS)] * count
    if not given or count % len(given):
        raise fields.wrong(names[0], f"a list whose length divides the {count} layers", given)
    sizes = [
        Fields({names[0]: size}, fields.notes).whole_or(names[0], None, most=MOST_TOKENS)
        for size in given
    ]
    return sizes * (count // len(sizes))


def _length(fields: Fields) -> int | None:
    names = ("max_position_embeddings", "max_seq_len")
    first, second = (fields.whole_or(name, None, most=MOST_TOKENS) for name in names)
    if first is not None and second is not None and first != second:
        fields.notes.note(f"max_seq_len {second} is ignored: max_position_embeddings is {first}")
    return second if first is None else first


def _vision(fields: Fields) -> PositionSpec | None:
    """Pixtral's encoder: rows and columns share out one progression."""
    keys = {
        "adapter_bias",
        "add_pre_mm_projector_layer_norm",
        "hidden_size",
        "image_break_token_id",
        "image_end_token_id",
        "image_size",
        "image_token_id",
        "intermediate_size",
        "max_image_size",
        "mm_projector_id",
        "num_attention_heads",
        "num_channels",
        "num_hidden_layers",
        "patch_size",
        "rope_theta",
        "spatial_merge_size",
    }
    own = _part(fields, "vision_encoder", keys)
    if own is None:
        return None
    head_dim = own.whole("hidden_size") // own.whole("num_attention_heads")
    base = own.number("rope_theta", 10_000.0)
    layer = LayerSpec(encodings=image_rotary("divided", head_dim, base, layout="interleaved"))
    count = own.whole("num_hidden_layers", most=MAX_LAYERS)
    return PositionSpec(model="vision", layers=(layer,) * count, causal=False)


def _part(fields: Fields, name: str, keys: set[str]) -> Fields | None:
    """An object inside, all of whose keys are known."""
    part = fields.get(name)
    if part is None:
        return None
    if not isinstance(part, Mapping):
        raise fields.wrong(name, "an object", part)
    _doubt_unknown(part, keys, f"{name}.", fields.notes)
    return Fields(part, fields.notes)


def _doubt_unknown(part: Mapping[str, Any], known: set[str], where: str, notes: Notes) -> None:
    for name, value in part.items():
        if name not in known and value is not None:
            notes.doubt(f"{where}{name} {short(value)} is not known in a params.json of Mistral")

"""Configs of a few architectures without transformers: what its classes fill in for these."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from phasor._read.fields import short
from phasor._read.notes import Notes
from phasor.errors import ArgumentError
from phasor.installation import how_to_get
from phasor.rotary.scaling import BY_ROPE_TYPE, LENGTH_KEY

_LLAMA: dict[str, Any] = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
    "rope_theta": 10_000.0,
}
_QWEN = {
    **_LLAMA,
    "max_position_embeddings": 32_768,
    "sliding_window": None,
    "use_sliding_window": False,
    "max_window_layers": 28,
}
_LONG = {**_LLAMA, "max_position_embeddings": 131_072}
DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "mistral": {**_LONG, "sliding_window": 4096},
    "mixtral": {**_LONG, "sliding_window": None, "rope_theta": 1_000_000.0},
    "qwen2": _QWEN,
    "qwen3": {**_QWEN, "head_dim": 128},
    "gemma": {
        **_LLAMA,
        "hidden_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "head_dim": 256,
        "max_position_embeddings": 8192,
    },
}
"""By `model_type`, what holds where a config does not say; held to transformers by the tests."""

_KINDS = ("linear", "dynamic", "yarn", "llama3")
_ELSEWHERE = ("use_sliding_window", LENGTH_KEY, "per_layer_config")
"""What changes other fields in ways that are left to transformers."""


def plain_config(config: Mapping[str, Any], notes: Notes) -> SimpleNamespace:
    """The fields that transformers' class would have.

    Args:
        config: As a file has it, with the keys of version 4 or 5.
        notes: Of its source.

    Raises:
        ArgumentError: Another architecture, or a setting that is left to transformers.
    """
    model_type = config.get("model_type")
    if model_type not in DEFAULTS:
        raise _needs_transformers(notes, f"a config of {model_type}")
    for name in _ELSEWHERE:
        if config.get(name):
            raise _needs_transformers(notes, f"{name} {short(config[name])} of {model_type}")
    made = {**DEFAULTS[model_type], **config}
    for name, value in DEFAULTS[model_type].items():
        # Only a window may be null.
        if type(value) is int and type(made[name]) is not int and name != "sliding_window":
            raise notes.wrong(f"{name} must be a whole number, got {short(made[name])}")
    size, heads = made["hidden_size"], made["num_attention_heads"]
    if made.get("head_dim") is None and heads > 0 and size % heads:
        # Some classes round down, others refuse.
        raise _needs_transformers(notes, f"hidden_size {size} with {heads} heads")
    made["rope_parameters"] = _parameters(made, notes)
    if model_type.startswith("qwen"):  # there, `use_sliding_window` decides
        made["sliding_window"] = None
    return SimpleNamespace(**made)


def _parameters(made: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """`rope_parameters` of version 5, from its keys or those of version 4, which are taken out."""
    given = made.pop("rope_scaling", None) or made.get("rope_parameters") or {}
    base, share = made.pop("rope_theta"), made.pop("partial_rotary_factor", None)
    if not isinstance(given, Mapping):
        raise notes.wrong(f"rope_parameters must be an object, got {short(given)}")
    parameters = {"rope_theta": base, **given}
    if share is not None:
        parameters.setdefault("partial_rotary_factor", share)
    kind = parameters.setdefault("rope_type", parameters.get("type", "default"))
    if kind not in ("default", *_KINDS):
        raise _needs_transformers(notes, f"rope_type {short(kind)}")
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            raise _needs_transformers(notes, f"{name} of rope_parameters by layer type")
    if kind == "default":
        return parameters
    known = BY_ROPE_TYPE[kind]
    if LENGTH_KEY in known.rope_needs:
        parameters.setdefault(LENGTH_KEY, made["max_position_embeddings"])
    for name in ("factor", *known.rope_needs):
        if parameters.get(name) is None:
            raise notes.wrong(f"{name} is missing, which rope_type {kind!r} needs")
    return parameters


def _needs_transformers(notes: Notes, what: str) -> ArgumentError:
    return ArgumentError(
        f"{notes.where}: reading {what} needs transformers; {how_to_get('transformers')}"
    )

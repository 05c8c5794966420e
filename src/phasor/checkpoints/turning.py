"""Which layers of a model turn."""

from collections.abc import Callable
from typing import Any

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import Fields


def turning_layers(fields: Fields, row: Architecture, types: list[Any]) -> list[bool]:
    """Whether each layer turns, by the rule of its architecture."""
    if row.rotates == "all":
        return [True] * len(types)
    if row.rotates.startswith("types:"):
        turning = row.rotates.removeprefix("types:").split(",")
        return [kind in turning for kind in types]
    if row.rotates in _RULES:
        return _RULES[row.rotates](fields, types)
    flags = fields.list_of(row.rotates, len(types))
    return [True] * len(types) if flags is None else [bool(flag) for flag in flags]


def _windowed(fields: Fields, types: list[Any]) -> list[bool]:
    """EXAONE 4: layers with a window turn; all of them where the model has no window."""
    no_window = fields.get("sliding_window") is None
    return [no_window or kind == "sliding_attention" for kind in types]


def _windowed_or_dense(fields: Fields, types: list[Any]) -> list[bool]:
    """Command A MoE: layers with a window turn, and the dense ones if their pattern is 1."""
    kinds = fields.list_of("mlp_layer_types", len(types)) or [None] * len(types)
    forced = fields.get("prefix_dense_sliding_window_pattern") == 1
    return [
        (kind == "sliding_attention" and fields.get("sliding_window") is not None)
        or (forced and dense == "dense")
        for kind, dense in zip(types, kinds, strict=True)
    ]


def _given(fields: Fields, types: list[Any]) -> list[bool]:
    """OLMo hybrid: attention turns if the config has a base."""
    parameters = fields.get("rope_parameters") or {}
    turns = parameters.get("rope_theta") is not None
    return [turns and kind == "full_attention" for kind in types]


_RULES: dict[str, Callable[[Fields, list[Any]], list[bool]]] = {
    "rule:windowed": _windowed,
    "rule:windowed_or_dense": _windowed_or_dense,
    "rule:given": _given,
}

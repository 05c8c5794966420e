"""Layer by layer: which turn, how, and how far they see."""

from collections.abc import Mapping
from typing import Any

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import Fields
from phasor.checkpoints.rope import read_rotary
from phasor.checkpoints.scaling import check_keys
from phasor.spec import LayerSpec, RotarySpec

_BARE = {"linear_attention", "conv", "mamba", "mamba2", "recurrent", "short_conv", "moe", "mlp"}
"""Layer types without attention, and so without position."""


def read_layers(fields: Fields, row: Architecture) -> tuple[LayerSpec, ...]:
    """The layers of a rotary architecture."""
    count = fields.whole(row.layers)
    types = fields.names("layer_types", count) or [None] * count
    turns = _turning(fields, row, types)
    known: dict[Any, LayerSpec] = {}
    layers = []
    for at in range(count):
        alike = (types[at], turns[at], at if _differ(fields) else 0)
        if alike not in known:
            known[alike] = _layer(_of_layer(fields, at), row, types[at], turns=turns[at])
        layers.append(known[alike])
    return tuple(layers)


def _turning(fields: Fields, row: Architecture, types: list[Any]) -> list[bool]:
    count = len(types)
    if row.rotates == "all":
        return [True] * count
    if row.rotates.startswith("types:"):
        turning = row.rotates.removeprefix("types:").split(",")
        return [kind in turning for kind in types]
    flags = fields.names(row.rotates, count)
    return [True] * count if flags is None else [bool(flag) for flag in flags]


def _layer(fields: Fields, row: Architecture, kind: Any, *, turns: bool) -> LayerSpec:
    if kind in _BARE:
        return LayerSpec()
    encodings: tuple[RotarySpec, ...] = ()
    parameters = fields.get("rope_parameters", {}) if turns else None
    if parameters is not None:
        outer = parameters
        if isinstance(parameters.get(kind), Mapping) or (kind in parameters):
            parameters = parameters[kind]
        if parameters is not None:
            check_keys(parameters.get("rope_type", "default"), parameters, row, fields.notes)
            encodings = (read_rotary(fields, row, parameters, outer=outer),)
    return LayerSpec(encodings=encodings, window=_window(fields, row, kind))


def _window(fields: Fields, row: Architecture, kind: Any) -> int | None:
    slides = row.window == "all" or (row.window == "types" and "sliding" in str(kind))
    return fields.whole_or("sliding_window", None) if slides else None


def _differ(fields: Fields) -> bool:
    return bool(getattr(fields.config, "is_heterogeneous", False))


def _of_layer(fields: Fields, at: int) -> Fields:
    return Fields(fields.config.per_layer_config[at], fields.notes) if _differ(fields) else fields

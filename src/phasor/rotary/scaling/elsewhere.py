"""What others write down of scalings beside their keys: llama.cpp's types, older config fields."""

from collections.abc import Mapping
from typing import Any

from phasor.rotary.scaling import BY_ROPE_TYPE, LENGTH_KEY, Linear, LongRoPE, YaRN

NEEDS_LENGTH = tuple(name for name, kind in BY_ROPE_TYPE.items() if LENGTH_KEY in kind.rope_needs)
"""The types of those whose `rope_parameters` must state the trained length."""

GGUF_TYPES = tuple(kind.gguf_type for kind in (Linear, YaRN, LongRoPE))
"""The `rope.scaling.type` of those that llama.cpp has."""


def version_4_fields(rope_parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The config fields of transformers 4 for what `rope_parameters` of version 5 say.

    There `rope_scaling`, which is missing where nothing is scaled, stands beside the base and the
    share of channels that turn; LongRoPE's trained length is looked for outside it.
    """
    inside = dict(rope_parameters)
    outside = ("rope_theta", "partial_rotary_factor")
    fields = {name: inside.pop(name) for name in outside if name in inside}
    if inside["rope_type"] == LongRoPE.rope_type:
        fields[LENGTH_KEY] = inside[LENGTH_KEY]
    if inside != {"rope_type": "default"}:
        fields["rope_scaling"] = inside
    return fields

"""The `rope_type` of a config becomes a scaling."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from phasor._read.architectures import Architecture
from phasor._read.fields import MOST_TOKENS, Fields, as_float, short
from phasor._read.notes import Notes, is_neutral
from phasor.errors import unknown_name
from phasor.rotary.scaling import (
    BY_ROPE_TYPE,
    LENGTH_KEY,
    DynamicNTK,
    LengthScaling,
    NamedElsewhere,
    Scaling,
    YaRN,
)

_EVERY = {"rope_type", "type", "rope_theta", "partial_rotary_factor", "mrope_section"}
_OWN: dict[str, set[str]] = {
    "default": set(),
    "axial": set(),
    **{kind: set(scaling.rope_keys) for kind, scaling in BY_ROPE_TYPE.items()},
    "proportional": {"factor"},
}
"""The keys that each type reads."""

_WITHOUT_EFFECT = {
    "finetuned": "it tells how the model was made",
    "attn_factor": "transformers knows attention_factor alone, which replaces YaRN's gain; vLLM, "
    "SGLang and YaRN's authors multiply that gain by attn_factor",
}
"""Known keys of others that transformers does not read."""


def check_keys(parameters: Mapping[str, Any], row: Architecture, notes: Notes) -> None:
    """Doubt what `rope_parameters` hold and nothing reads.

    Raises:
        ArgumentError: An unknown type; if strict, an unknown key.
    """
    kind = parameters.get("rope_type", "default")
    if not isinstance(kind, str) or kind not in _OWN:
        raise notes.wrong(str(unknown_name("rope_type", str(kind), list(_OWN))))
    known = _EVERY | _OWN[kind] | set(row.rope_keys)
    for name, value in parameters.items():
        if name in known or value is None:
            continue
        if any(name in own for own in _OWN.values()):
            notes.note(f"{name} {short(value)} is ignored: rope_type {kind!r} does not read it")
        elif is_neutral(name, value):
            continue
        elif name in _WITHOUT_EFFECT:
            notes.note(f"{name} {short(value)} is ignored: {_WITHOUT_EFFECT[name]}")
        else:
            notes.doubt(
                str(unknown_name("rope_parameters have an unknown key", name, sorted(known)))
                + f" Its value is {short(value)}"
            )


def read_scaling(
    kind: str,
    parameters: Mapping[str, Any],
    outer: Mapping[str, Any],
    fields: Fields,
    row: Architecture,
) -> Scaling | LengthScaling | None:
    """The scaling of one rope type; `None` for "default" and "axial"."""
    notes = fields.notes
    if kind in ("default", "axial"):
        return None
    if row.softmax_mscale and kind != "yarn" and parameters.get("mscale_all_dim"):
        raise notes.wrong(
            f"mscale_all_dim with rope_type {kind!r}: this architecture scales the softmax by it, "
            "which is read of yarn alone"
        )
    known = BY_ROPE_TYPE[kind]
    given = _numbers(known, parameters, notes)
    if known is YaRN:
        # transformers looks for `truncate` beside the layer types, not within them.
        truncate = outer.get("truncate", True)
        if parameters.get("truncate", truncate) != truncate:
            notes.note("truncate is ignored: transformers reads it outside the layer types")
        given["truncate"] = bool(truncate)
    longest = None
    if known is DynamicNTK or (LENGTH_KEY in known.rope_keys and "factor" not in given):
        longest = fields.whole("max_position_embeddings", most=MOST_TOKENS)
    made = known.from_hf(given, max_position_embeddings=longest)
    if isinstance(made, YaRN) and row.softmax_mscale and made.mscale_all_dim:
        made = replace(made, scale_softmax=True)
    return cast("Scaling | LengthScaling", made)


def _numbers(
    known: type[NamedElsewhere], parameters: Mapping[str, Any], notes: Notes
) -> dict[str, Any]:
    """The keys of a scaling, each of them a number or a list of numbers."""
    given: dict[str, Any] = {}
    kind = parameters.get("rope_type")
    for name in known.rope_keys:
        value = parameters.get(name)
        if name in ("short_factor", "long_factor"):
            if not isinstance(value, (list, tuple)):
                raise notes.wrong(f"{name} must be a list of numbers, got {short(value)}")
            given[name] = [_number(name, item, kind, notes) for item in value]
        elif name == LENGTH_KEY and name in known.rope_needs:
            given[name] = int(_number(name, value, kind, notes))
        elif name.startswith("beta_") and not value:  # 0 stands for the default
            continue
        elif name in known.rope_needs or (value is not None and name != "truncate"):
            given[name] = _number(name, value, kind, notes)
    return given


def _number(name: str, value: Any, kind: Any, notes: Notes) -> float:
    if value is None:
        raise notes.wrong(f"{name} is missing, and rope_type {kind!r} has no default for it")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise notes.wrong(f"{name} must be a number, got {short(value)}")
    return as_float(value, name, notes)

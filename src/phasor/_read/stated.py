"""What a file states about position, held against the spec: what had no effect is named."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from phasor._read.dual_chunk import DUAL_CHUNK
from phasor._read.fields import short
from phasor._read.notes import Notes, is_neutral
from phasor.rotary.scaling import LENGTH_KEY
from phasor.rotary.scaling.elsewhere import NEEDS_LENGTH
from phasor.spec import PositionSpec, RotarySpec

_BASES = {"rope_theta", "rotary_emb_base", "rope_local_base_freq", "global_rope_theta"}
_BASES |= {"local_rope_theta", "rotary_embedding_base", "default_theta"}
_BASES |= {"swa_rope_theta"}
_SHARES = {"partial_rotary_factor", "rotary_pct", "rope_percent", "rope_pct"}
_OTHERS = {
    "rope_parameters",
    "rope_scaling",
    "rotary_dim",
    "rope_interleave",
    "rotary_value",
    "no_rope_layers",
    "no_rope_layer_interval",
    "layer_rope_theta",
    "rope_scaling_layers",
    "qk_rope_head_dim",
    "rope_type",
    "use_mem_rope",
    "use_rotary_embedding",
    "rope_head_dim",
    "mrope_section",
    DUAL_CHUNK,
}

_OF_ATTENTION = re.compile(
    r"(attention|attn)_(config|type|window|chunk|pattern)|(chunk|chunked|sparse|block)_attention"
    r"|position_(bias|embedding_type|interpolation|scale|offset)|relative_(attention|position)"
    r"|(^|_)(window|yarn|ntk|logn|longrope|nope)(_|$)|self_extend"
)
"""Names that other architectures and engines have for what attention sees, and how."""


def check_stated(
    config: Mapping[str, Any], spec: PositionSpec, known: set[str], notes: Notes
) -> None:
    """Note each base and share that no layer uses, and doubt unknown names about rotation.

    Args:
        config: As the file has it.
        spec: What was read.
        known: Names that the config class has.
        notes: Where to say so.
    """
    _check_length(config, notes)
    rotaries = list(_rotaries(spec))
    bases = {rotary.frequencies.build().base for rotary in rotaries}
    shares = {_turning(rotary) / rotary.head_dim for rotary in rotaries}
    widths = {_turning(rotary) for rotary in rotaries}
    windows = [layer.window for layer in dict.fromkeys(spec.layers)]
    for path, name, value in _entries(config):
        if name in _BASES:
            if _number(value) and value and not any(_close(value, base) for base in bases):
                notes.note(f"{path} {value} is ignored: {_used('base', bases)}")
            elif path == "rope_theta" and len(bases) > 1 and "rope_parameters" not in config:
                notes.note(f"{path} {value} holds for some layers: {_used('base', bases)}")
        elif name in _SHARES:
            if _number(value) and not any(_is_share(value, rotary) for rotary in rotaries):
                notes.note(f"{path} {value} is ignored: {_used('share', shares)}")
        elif name == "rotary_dim":
            if _number(value) and value not in widths:
                notes.note(f"{path} {value} is ignored: {_used('rotary_dim', widths)}")
        elif name == "sliding_window" and value in windows:  # which some classes make up
            continue
        elif _is_about(name) and name not in _OTHERS | known and not is_neutral(name, value):
            notes.doubt(f"{path} {short(value)} is not known to this architecture")


def _check_length(config: Mapping[str, Any], notes: Notes) -> None:
    parameters = config.get("rope_scaling") or config.get("rope_parameters")
    name = LENGTH_KEY
    if not isinstance(parameters, Mapping):
        return
    kind = parameters.get("rope_type", parameters.get("type"))
    inner, outer = parameters.get(name), config.get(name)
    if None not in (inner, outer) and inner != outer and kind in NEEDS_LENGTH:
        notes.note(f"{name} {short(inner)} is ignored: {short(outer)} beside it is taken")
    elif kind in ("yarn", "llama3") and name not in config and name not in parameters:
        notes.note(f"{name} is missing; max_position_embeddings is taken, which is long already")


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Top-level entries, and bases and shares one or two objects further down."""
    for name, value in config.items():
        yield name, name, value
        # Configs of towers and of text models inside are read with their own names.
        if isinstance(value, Mapping) and (name == "attn_config" or not name.endswith("_config")):
            for path, inner, item in _entries(value):
                if inner in _BASES | _SHARES:
                    yield f"{name}.{path}", inner, item


def _is_about(name: str) -> bool:
    if any(word in name for word in ("rope", "rotary", "alibi")) or name == "theta":
        return True
    return _OF_ATTENTION.search(name) is not None and not name.startswith("_")


def _rotaries(spec: PositionSpec) -> Iterator[RotarySpec]:
    for stack in (spec, *spec.towers):
        for layer in dict.fromkeys(stack.layers):
            yield from (each for each in layer.encodings if isinstance(each, RotarySpec))


def _turning(rotary: RotarySpec) -> int:
    frequencies = rotary.frequencies.build()
    return 2 * int((frequencies.inv_freq != 0).any(0).sum())


def _is_share(value: float, rotary: RotarySpec) -> bool:
    """Exactly, or once it is rounded down to whole channels (0.334 of 192)."""
    turning = _turning(rotary)
    if _close(value, turning / rotary.head_dim):
        return True
    return 0 < value < 1 and int(rotary.head_dim * value) in (turning, turning - 1)


def _used(what: str, values: set[Any]) -> str:
    if not values:
        return "no layer turns"
    shown = ", ".join(f"{value:g}" for value in sorted(v for v in values if v is not None))
    return f"layers turn with {what} {shown}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _close(first: float, second: float | None) -> bool:
    try:
        return second is not None and math.isclose(first, second, rel_tol=1e-6)
    except OverflowError:
        return False

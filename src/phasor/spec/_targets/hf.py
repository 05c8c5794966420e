"""The config fields of transformers.

Version 5 has all of a layer type's numbers in `rope_parameters`, which may be one object or one for
each entry of `layer_types`; version 4 had `rope_theta` beside `rope_scaling` and, for Gemma 3,
`rope_local_base_freq` (`modeling_rope_utils.py` and `configuration_utils.py` of transformers, which
the tests run).
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from phasor.errors import ArgumentError
from phasor.rotary.rules import ProportionalSpec
from phasor.rotary.scaling import DynamicNTK, rope_parameters
from phasor.rotary.scaling.elsewhere import version_4_fields
from phasor.spec import RotarySpec
from phasor.spec._targets.stack import geometric_of, refused, turning

if TYPE_CHECKING:
    from phasor.spec.position_spec import LayerSpec, PositionSpec

_FULL, _SLIDING, _CHUNKED = "full_attention", "sliding_attention", "chunked_attention"
_TARGET = "transformers"


Adapt = Callable[[RotarySpec, dict[str, Any]], None]
"""Changes what transformers reads of a rotation to what another program does."""


def to_hf(
    spec: "PositionSpec", version: Literal[4, 5] = 5, adapt: Adapt | None = None
) -> dict[str, Any]:
    """See `PositionSpec.to_hf`; `adapt` is called for each rotation."""
    if version not in (4, 5):
        raise ArgumentError(f"version must be 4 or 5, got {version!r}")
    layers = turning(spec, _TARGET)
    types = [_type_of(layer) for layer in spec.layers]
    rotaries: dict[str, RotarySpec] = {}
    for layer, rotary in layers.items():
        kind = _type_of(layer)
        if rotary is not None and rotaries.setdefault(kind, rotary) != rotary:
            raise refused(spec, _TARGET, f"layers of {kind} that turn in two ways")
    fields: dict[str, Any] = {"num_hidden_layers": len(spec.layers), **_heads(spec, rotaries)}
    if spec.max_seq_len is not None:
        fields["max_position_embeddings"] = spec.max_seq_len
    if set(types) != {_FULL}:
        fields["layer_types"] = types
    for name, kind in (("sliding_window", "window"), ("attention_chunk_size", "chunk")):
        sizes = {size for layer in layers if (size := getattr(layer, kind)) is not None}
        if len(sizes) > 1:
            raise refused(spec, _TARGET, f"{kind}s of {sorted(sizes)} tokens; it has one {name}")
        fields |= dict.fromkeys([name] * bool(sizes), *sizes)
    if "sliding_window" in fields and not spec.causal:
        raise refused(spec, _TARGET, "windows to both sides, which each architecture counts anew")
    if "sliding_window" in fields and spec.model.startswith("qwen"):
        fields["use_sliding_window"] = True  # their switch beside the number
    still = [int(layers[layer] is not None) for layer in spec.layers]
    if not all(still):
        fields["no_rope_layers"] = still
    written = {kind: _rope(rotary, spec) for kind, rotary in rotaries.items()}
    for kind, rotary in rotaries.items():
        if adapt is not None:
            adapt(rotary, written[kind])
    first = next(iter(written.values()))
    alike = all(each == first for each in written.values())
    if version == 5:
        return fields | {"rope_parameters": first if alike else written}
    if alike:
        return fields | _version_4(first, spec)
    local = written.pop(_SLIDING, {})
    if set(written) != {_FULL} or set(local) != {"rope_theta", "rope_type"}:
        raise refused(spec, "transformers 4", "layer types that turn in two ways")
    return fields | _version_4(written[_FULL], spec) | {"rope_local_base_freq": local["rope_theta"]}


def _type_of(layer: "LayerSpec") -> str:
    if layer.chunk is not None:
        return _CHUNKED
    return _FULL if layer.window is None else _SLIDING


def _heads(spec: "PositionSpec", rotaries: dict[str, RotarySpec]) -> dict[str, int]:
    sizes = {(each.head_dim, _width(each), each.rotary_slice) for each in rotaries.values()}
    (head_dim, width, where), *others = sizes
    if where == "trailing" and not others:  # DeepSeek: a head of two parts
        return {"qk_nope_head_dim": head_dim - width, "qk_rope_head_dim": width}
    if len({head_dim for head_dim, _, _ in sizes}) > 1:
        raise refused(spec, _TARGET, "heads whose width differs by layer type")
    return {"head_dim": head_dim}


def _width(rotary: RotarySpec) -> int:
    return rotary.frequencies.build().rotary_dim


def _rope(rotary: RotarySpec, spec: "PositionSpec") -> dict[str, Any]:
    rule, scaling = rotary.frequencies, rotary.scaling
    written: dict[str, Any]
    if isinstance(scaling, DynamicNTK) and scaling.original_seq_len != spec.max_seq_len:
        raise refused(
            spec, _TARGET, f"dynamic_ntk with a trained length of {scaling.original_seq_len}; "
            f"it takes max_position_embeddings, which is {spec.max_seq_len}",
        )  # fmt: skip
    if isinstance(rule, ProportionalSpec) and scaling is None:
        written = {
            "rope_theta": rule.base,
            "rope_type": "proportional",
            "partial_rotary_factor": rule.proportion,
        }
        written |= {"factor": rule.factor} if rule.factor != 1 else {}
    else:
        rule = geometric_of(rotary, spec, _TARGET)
        written = rope_parameters(scaling, rule.build())
        if rotary.rotary_slice == "leading" and rule.rotary_dim < rotary.head_dim:
            written["partial_rotary_factor"] = _share(rule.rotary_dim, rotary.head_dim)
    if rotary.sections is not None:
        if rotary.sections.order not in ("chunked", "interleaved"):
            raise refused(spec, _TARGET, f"sections in the order of {rotary.sections.order}")
        written["mrope_section"] = list(rotary.sections.sizes)
        written |= {"mrope_interleaved": True} if rotary.sections.order == "interleaved" else {}
    return written


def _share(width: int, head_dim: int) -> float:
    """What transformers multiplies by `head_dim` and rounds down to `width`."""
    share = width / head_dim
    return share if int(head_dim * share) == width else math.nextafter(share, 1.0)


def _version_4(written: dict[str, Any], spec: "PositionSpec") -> dict[str, Any]:
    if written["rope_type"] == "proportional":
        raise refused(spec, "transformers 4", "proportional frequencies")
    return version_4_fields(written)

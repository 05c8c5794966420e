"""llama.cpp: flags for a run, or the metadata and tensors of a GGUF file.

The flags are those of `common/arg.cpp` (0017d6fb); what they override is in the constructor of
`src/llama-context.cpp` (001d906a): the gain of YaRN and what layers with a window turn by are taken
from the file always, and there is no flag for LongRoPE or factors on the frequencies.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phasor.rotary.rules import ProportionalSpec
from phasor.rotary.scaling import (
    NTK,
    DynamicNTK,
    LengthScaling,
    Linear,
    LongRoPE,
    NTKAlpha,
    ThetaScale,
    YaRN,
)
from phasor.rotary.scaling.searched import FREQS, LONG, SHORT
from phasor.spec import RotarySpec
from phasor.spec._targets.stack import geometric_of, refused, turning, yarn_gain

if TYPE_CHECKING:
    from phasor.spec.position_spec import PositionSpec

_TARGET = "llama.cpp"
_STILL = 1e30
"""What Gemma 4's file divides the frequency of a pair by that stands still."""

_FLAGS = {
    "context_length": "--ctx-size",
    "rope.freq_base": "--rope-freq-base",
    "rope.scaling.type": "--rope-scaling",
    "rope.scaling.factor": "--rope-scale",
    "rope.scaling.original_context_length": "--yarn-orig-ctx",
    "rope.scaling.yarn_beta_fast": "--yarn-beta-fast",
    "rope.scaling.yarn_beta_slow": "--yarn-beta-slow",
}
_OF_THE_FILE = {
    "rope.freq_base_swa",
    "rope.dimension_count_swa",
    "rope.scaling.attn_factor",
    "rope.scaling.yarn_log_multiplier",
}


@dataclass(frozen=True, kw_only=True)
class LlamaCpp:
    """What to give to llama.cpp.

    Attributes:
        flags: Of `llama-server` and the others, for a file of the model.
        keys: Metadata of a GGUF file; put the architecture and a dot before each name.
        tensors: Factors on the frequencies that the file needs beside them, float32.
        only_in_file: Keys and tensors for which there is no flag: the file must have them.
    """

    flags: tuple[str, ...]
    keys: dict[str, Any] = field(hash=False)
    tensors: dict[str, tuple[float, ...]] = field(hash=False)
    only_in_file: tuple[str, ...] = ()


def to_llama_cpp(spec: "PositionSpec") -> LlamaCpp:
    """See `PositionSpec.to_llama_cpp`."""
    layers = turning(spec, _TARGET)
    if any(layer.chunk is not None for layer in layers):
        raise refused(spec, _TARGET, "attention within chunks of a size of its own")
    dense = {each for layer, each in layers.items() if each and layer.window is None}
    windowed = {each for layer, each in layers.items() if each and layer.window is not None}
    if len(dense) > 1 or len(windowed) > 1:
        raise refused(spec, _TARGET, "layers that turn in two ways and have windows alike")
    rotary = next(iter(dense or windowed))
    head = "attention.key_length" + "_mla" * (rotary.rotary_slice == "trailing")
    keys: dict[str, Any] = {"block_count": len(spec.layers), head: rotary.head_dim}
    if spec.max_seq_len is not None:
        keys["context_length"] = spec.max_seq_len
    keys |= _windows(spec)
    scaled, tensors = _rotation(rotary, spec)
    keys |= scaled
    for local in windowed - {rotary}:
        if local.scaling not in (None, rotary.scaling):
            raise refused(spec, _TARGET, "layers with a window that have a scaling of their own")
        rule = geometric_of(local, spec, _TARGET)
        keys |= {
            "rope.freq_base_swa": float(rule.base),
            "rope.dimension_count_swa": rule.rotary_dim,
        }
    if rotary.sections is not None:
        keys["rope.dimension_sections"] = [*rotary.sections.sizes, 0][:4]
    scales = {layer.score_scale for layer in layers} - {None}
    keys |= dict.fromkeys(["attention.scale"] * (len(scales) == 1), *scales) if scales else {}
    longrope = keys.get("rope.scaling.type") == "longrope"
    skipped = {"rope.scaling.type", "rope.scaling.original_context_length"} if longrope else set()
    flags = [
        part
        for name, flag in _FLAGS.items()
        if name in keys and name not in skipped
        for part in (
            flag,
            f"{keys[name]:.9g}" if isinstance(keys[name], float) else str(keys[name]),
        )
    ]
    return LlamaCpp(
        flags=tuple(flags),
        keys=keys,
        tensors=tensors,
        only_in_file=(*sorted((_OF_THE_FILE | skipped) & set(keys)), *tensors),
    )


def _windows(spec: "PositionSpec") -> dict[str, Any]:
    sizes = {layer.window for layer in spec.layers} - {None}
    if len(sizes) > 1:
        raise refused(spec, _TARGET, f"windows of {sorted(sizes, key=str)} tokens; it has one")
    if not sizes:
        return {}
    seen = [layer.window is not None for layer in spec.layers]
    pattern = {} if all(seen) else {"attention.sliding_window_pattern": seen}
    return {"attention.sliding_window": sizes.pop(), **pattern}


def _rotation(
    rotary: RotarySpec, spec: "PositionSpec"
) -> tuple[dict[str, Any], dict[str, tuple[float, ...]]]:
    rule, scaling = rotary.frequencies, rotary.scaling
    if isinstance(rule, ProportionalSpec) and scaling is None:
        unscaled = rule.build()
        turn = int((unscaled.inv_freq != 0).sum())
        keys = _base(unscaled.rotary_dim, rule.base) | {"rope.scaling.type": "none"}
        if rule.factor != 1:
            keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": float(rule.factor)}
        return keys, {FREQS: (1.0,) * turn + (_STILL,) * (unscaled.pairs - turn)}
    geometric = geometric_of(rotary, spec, _TARGET)
    unscaled = geometric.build()
    keys = _base(geometric.rotary_dim, geometric.base)
    match scaling:
        case None:
            return keys | {"rope.scaling.type": "none"}, {}
        case NTK() | NTKAlpha() | ThetaScale():
            larger = scaling(unscaled).base
            return keys | {"rope.freq_base": larger, "rope.scaling.type": "none"}, {}
        case DynamicNTK():
            raise refused(
                spec, _TARGET, "a base that grows with each sequence; settle it with "
                "scaling.at(seq_len)",
            )  # fmt: skip
        case Linear():
            return keys | _named(scaling), {}
        case YaRN():
            return keys | _yarn(rotary, spec), {}
        case LongRoPE():
            short, long = scaling.short(), scaling.long()
            if short.attention_factor != long.attention_factor:
                raise refused(spec, _TARGET, "two gains of LongRoPE; it has one")
            keys |= _named(scaling) | {"rope.scaling.attn_factor": long.attention_factor}
            return keys, {SHORT: short.factors, LONG: long.factors}
    assert not isinstance(scaling, LengthScaling)
    scaled = scaling(unscaled)
    factors = (unscaled.inv_freq / scaled.inv_freq).clamp(max=_STILL)[0].tolist()
    if scaled.attention_scale != 1:
        keys["rope.scaling.attn_factor"] = scaled.attention_scale
    return keys | {"rope.scaling.type": "none"}, {FREQS: tuple(factors)}


def _base(width: int, base: float) -> dict[str, Any]:
    return {"rope.dimension_count": width, "rope.freq_base": float(base)}


def _named(scaling: Linear | YaRN | LongRoPE) -> dict[str, Any]:
    """The keys of a scaling by the names that stand beside it; defaults are left out."""
    values = {key: getattr(scaling, name) for key, name in scaling.gguf_keys.items()}
    usual = scaling.gguf_defaults()
    found: dict[str, Any] = {"rope.scaling.type": scaling.gguf_type}
    for key, value in values.items():
        if usual.get(key) != value:
            found[key] = int(value) if key.endswith("length") else float(value)
    return found


def _yarn(rotary: RotarySpec, spec: "PositionSpec") -> dict[str, Any]:
    scaling = rotary.scaling
    assert isinstance(scaling, YaRN)
    if not scaling.truncate or scaling.clamp != "dim" or scaling.blend != "linear":
        raise refused(
            spec, _TARGET, "YaRN with another ramp; it rounds the ends outwards, up to the last "
            "channel, and blends linearly",
        )  # fmt: skip
    keys = _named(scaling)
    gain, usual = yarn_gain(rotary)
    if scaling.scale_softmax:
        if scaling.mscale != scaling.mscale_all_dim:
            raise refused(spec, _TARGET, "YaRN's mscale beside another mscale_all_dim")
        assert scaling.mscale_all_dim is not None
        return keys | {"rope.scaling.yarn_log_multiplier": 0.1 * scaling.mscale_all_dim}
    return keys if gain == usual else keys | {"rope.scaling.attn_factor": gain / usual}

"""Megatron-LM's arguments.

The rules are those of `_add_network_size_args` in `megatron/training/arguments.py` (000c4ac2)
and of `RotaryEmbedding` in `megatron/core/models/common/embeddings/rotary_pos_embedding.py`
(00caa53a), whose scaling is Llama 3's with bands of 1 and 4 and a length of 8192; windows and
layers that do not turn are as `megatron/core/transformer/transformer_config.py` (002526d8) says.
"""

from typing import TYPE_CHECKING

from phasor.rotary.scaling import NTK, Linear, Llama3, NTKAlpha, ThetaScale
from phasor.spec import LearnedSpec, RotarySpec
from phasor.spec._targets.stack import geometric_of, refused, turning

if TYPE_CHECKING:
    from phasor.spec.position_spec import PositionSpec

_TARGET = "Megatron-LM"


def to_megatron(spec: "PositionSpec") -> tuple[str, ...]:
    """See `PositionSpec.to_megatron`."""
    length = [] if spec.max_seq_len is None else ["--max-position-embeddings", spec.max_seq_len]
    encoded = any(layer.encodings for layer in spec.layers)
    if not encoded and isinstance(spec.embedding, LearnedSpec) and not spec.embedding.offset:
        rows = spec.embedding.num_positions
        given = ["learned_absolute", "--max-position-embeddings", rows]
    elif not encoded and spec.embedding is None and not spec.towers:
        given = ["none", *length]
    else:
        given = [*_rotary(spec), *length]
    windows = _windows(spec)
    return tuple(map(str, ["--position-embedding-type", *given, *windows]))


def _rotary(spec: "PositionSpec") -> list[object]:
    layers = turning(spec, _TARGET)
    rotary, *others = {each for each in layers.values() if each is not None}
    if others:
        raise refused(spec, _TARGET, "layers that turn in two ways; it has one --rotary-base")
    if rotary.rotary_slice != "leading":
        raise refused(spec, _TARGET, "a rotation of the trailing channels (multi-latent attention)")
    if rotary.sections is not None:
        raise refused(spec, _TARGET, "several axes of positions")
    rule = geometric_of(rotary, spec, _TARGET)
    base, scaling = _scaling(rotary, spec)
    if base != round(base):
        raise refused(spec, _TARGET, f"a base of {base:.8g}; --rotary-base is a whole number")
    given: list[object] = ["rope", "--rotary-base", round(base)]
    given += ["--rotary-percent", rule.rotary_dim / rotary.head_dim, "--kv-channels"]
    given += [rotary.head_dim, *["--rotary-interleaved"] * (rotary.layout == "interleaved")]
    still = [int(layers[layer] is None) for layer in spec.layers]
    return [*given, *scaling, *(["--no-rope-freq", _pattern(still)] if any(still) else [])]


def _scaling(rotary: RotarySpec, spec: "PositionSpec") -> tuple[float, list[object]]:
    unscaled = geometric_of(rotary, spec, _TARGET).build()
    assert unscaled.base is not None
    match rotary.scaling:
        case None:
            return unscaled.base, []
        case NTK() | NTKAlpha() | ThetaScale() as larger:
            return larger(unscaled).base or 0.0, []
        case Linear(factor=factor) if factor == round(factor):
            return unscaled.base, ["--rotary-seq-len-interpolation-factor", round(factor)]
        case Llama3(low_freq_factor=1, high_freq_factor=4, original_seq_len=8192, factor=factor):
            return unscaled.base, ["--use-rope-scaling", "--rope-scaling-factor", factor]
    raise refused(
        spec, _TARGET, f"{rotary.scaling}; it has linear by whole factors, and llama3 with bands "
        "of 1 and 4 and 8192 tokens",
    )  # fmt: skip


def _windows(spec: "PositionSpec") -> list[object]:
    if any(layer.chunk is not None for layer in spec.layers):
        raise refused(spec, _TARGET, "attention within chunks")
    sizes = {layer.window for layer in spec.layers} - {None}
    if not sizes:
        return []
    if len(sizes) > 1 or not spec.causal:
        raise refused(
            spec, _TARGET, f"windows of {sorted(sizes, key=str)} tokens; it has one, back"
        )
    seen = [int(layer.window is not None) for layer in spec.layers]
    back = f"{(sizes.pop() or 1) - 1},0"
    return [
        "--window-size",
        back,
        *(["--window-attn-skip-freq", _pattern(seen)] if 0 in seen else []),
    ]


def _pattern(flags: list[int]) -> str:
    return f"[{','.join(map(str, flags))}]"

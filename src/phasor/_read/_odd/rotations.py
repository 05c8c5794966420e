"""Heads that turn otherwise: other widths, other signs, two angles in a pair, values that turn."""

from dataclasses import replace
from typing import Any

import torch

from phasor._read._odd.bases import hunyuan, parameters_of, unscaled, with_rotary
from phasor._read.architectures import Architecture
from phasor._read.fields import Fields
from phasor._read.plain_stack import read_plain
from phasor._read.rope import channels_of, progression
from phasor._read.scaling import check_keys
from phasor.rotary.scaling import LengthScaling
from phasor.spec import (
    AxialSpec,
    ExplicitSpec,
    GeometricSpec,
    LayerSpec,
    PositionSpec,
    RotarySpec,
    SectionsSpec,
    UnevenRotarySpec,
)

_BASE = 10_000.0
"""Where the code holds it and no config does."""


def gptj(config: Fields, row: Architecture) -> PositionSpec:
    """As many channels turn as `rotary_dim` says; the base stands in the code.

    Source: gptj/modeling_gptj.py and codegen/modeling_codegen.py, `create_sinusoidal_positions`.
    """
    return _of_width(config, row, config.whole_or("rotary_dim", None))


def clvp(config: Fields, row: Architecture) -> PositionSpec:
    """Half the channels of a head turn, 32 at least, and those of values as well.

    Source: clvp/modeling_clvp.py, `ClvpRotaryPositionalEmbedding` and `ClvpSelfAttention`.
    """
    half = config.whole("projection_dim") // (2 * config.whole("num_attention_heads"))
    spec = _of_width(config, row, max(half, 32))
    return replace(spec, layers=tuple(replace(each, values="turned") for each in spec.layers))


def _of_width(config: Fields, row: Architecture, width: int | None) -> PositionSpec:
    head_dim = channels_of(config, row)
    frequencies = progression(width or head_dim, _BASE)
    spec = RotarySpec(head_dim=head_dim, frequencies=frequencies, layout=row.layout)
    return _with_rotation(config, row, spec)


def _with_rotation(
    config: Fields, row: Architecture, spec: RotarySpec | UnevenRotarySpec
) -> PositionSpec:
    config = unscaled(config)
    check_keys(parameters_of(config), row, config.notes)

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return replace(layer, encodings=(spec,))

    return read_plain(config, replace(row, mechanism="none"), then=then)


def roformer(config: Fields, row: Architecture) -> PositionSpec:
    """The base stands in the code; values turn if `rotary_value` says so.

    Source: roformer/modeling_roformer.py, `RoFormerSelfAttention`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return replace(layer, values="turned" if fields.get("rotary_value") else "still")

    return read_plain(unscaled(config, _BASE), row, then=then)


def deepseek_v3(config: Fields, row: Architecture) -> PositionSpec:
    """Neighbours are paired unless `rope_interleave` is false.

    Source: deepseek_v3/modeling_deepseek_v3.py, `DeepseekV3Attention`.
    """
    halves = config.get("rope_interleave") is False
    return read_plain(config, replace(row, layout="half") if halves else row)


def nanochat(config: Fields, row: Architecture) -> PositionSpec:
    """Pairs turn by minus the angle.

    Source: nanochat/modeling_nanochat.py, `rotate_half`, whose signs are the others.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return replace(layer, encodings=tuple(map(_backwards, layer.encodings)))

    return read_plain(config, row, then=then)


def _backwards(spec: Any) -> RotarySpec:
    # Those that depend on the length multiply frequencies, whatever their sign.
    later = spec.scaling if isinstance(spec.scaling, LengthScaling) else None
    turning = (replace(spec, scaling=None) if later is not None else spec).build().frequencies
    return replace(
        spec,
        frequencies=ExplicitSpec(
            inv_freq=tuple(map(tuple, torch.neg(turning.inv_freq).tolist())),
            base=turning.base,
            attention_scale=turning.attention_scale,
            softmax_scale=turning.softmax_scale,
        ),
        scaling=later,
        sections=None,
    )


def neomme(config: Fields, row: Architecture) -> PositionSpec:
    """Two axes share the pairs evenly where the config does not say.

    Source: neomme/modeling_neomme.py, `NeommeRotaryEmbedding`.
    """
    if parameters_of(config).get("mrope_section") is not None:
        return read_plain(config, row)

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        if not layer.encodings:
            return layer
        (rotary,) = layer.encodings
        assert isinstance(rotary, RotarySpec)
        pairs = rotary.frequencies.build().rotary_dim // 2
        sizes = (pairs - pairs // 2, pairs // 2)
        return with_rotary(layer, sections=SectionsSpec(sizes=sizes, order="interleaved"))

    return read_plain(config, replace(row, sections=None), then=then)


def vjepa2(config: Fields, row: Architecture) -> PositionSpec:
    """Frame, row and column turn equal blocks of whole pairs; neighbours get different angles.

    Source: vjepa2/modeling_vjepa2.py, `rotate_queries_or_keys`, which tiles the angles of a block
    and pairs neighbours in it.
    """
    head_dim = channels_of(config, row)
    axes = AxialSpec(rotary_dim=head_dim // 6 * 6, axes=3, base=_BASE)
    spec = UnevenRotarySpec(head_dim=head_dim, frequencies=axes, blocks=3, layout=row.layout)
    return _with_rotation(config, row, spec)


def hunyuan_vl(config: Fields, row: Architecture) -> PositionSpec:
    """As HunYuan; with several axes the two channels of a pair turn by different ones.

    Source: hunyuan_vl/modeling_hunyuan_vl.py, `apply_multimodal_rotary_pos_emb`, which shares out
    the doubled table to the axes.
    """
    text = parameters_of(config).get("mrope_section") is None  # where all axes are equal
    spec = hunyuan(config, replace(row, sections=None) if text else row)
    layers = []
    for layer in spec.layers:
        parts = tuple(
            _uneven(each, config) if isinstance(each, RotarySpec) else each
            for each in layer.encodings
        )
        layers.append(replace(layer, encodings=parts))
    if text:
        return spec
    config.notes.note(
        "with images transformers turns the two channels of a pair by different axes, as the spec "
        "says; Tencent's own code and vLLM rotate, by phasor.sections"
    )
    return replace(spec, layers=tuple(layers))


def _uneven(rotary: RotarySpec, config: Fields) -> UnevenRotarySpec:
    if not isinstance(rotary.frequencies, GeometricSpec):
        raise config.notes.wrong(
            "this architecture turns the two channels of a pair by different angles, which is read "
            "of frequencies in one geometric progression alone"
        )
    return UnevenRotarySpec(
        head_dim=rotary.head_dim,
        frequencies=rotary.frequencies,
        scaling=rotary.scaling,
        sections=None if rotary.sections is None else rotary.sections.sizes,
        layout=rotary.layout,
    )

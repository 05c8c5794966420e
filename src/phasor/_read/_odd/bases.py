"""Bases and scalings that stand elsewhere than in `rope_parameters`, or not for all layers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phasor._read.architectures import Architecture
from phasor._read.fields import Fields, short
from phasor._read.plain_stack import read_plain
from phasor.rotary import scaling
from phasor.spec import LayerSpec, PositionSpec, RotarySpec


def parameters_of(config: Fields) -> Mapping[str, Any]:
    """The `rope_parameters` of a config, none where it has none."""
    given = config.get("rope_parameters", {})
    if not isinstance(given, Mapping):
        raise config.wrong("rope_parameters", "an object", given)
    return given


def with_base(config: Fields, base: float) -> Fields:
    """The config with this base in its `rope_parameters`, and in those of each layer type."""
    parameters = {
        name: {**value, "rope_theta": base} if isinstance(value, Mapping) else value
        for name, value in parameters_of(config).items()
    }
    return config.having(rope_parameters={**parameters, "rope_theta": base})


def unscaled(config: Fields, base: float | None = None) -> Fields:
    """The config without scaling, which its code does not know."""
    parameters = parameters_of(config)
    kind = parameters.get("rope_type", "default")
    if kind != "default":
        config.notes.note(f"rope_type {short(kind)} is ignored: this architecture scales nothing")
        config = _of_default_type(config)
    return config if base is None else with_base(config, base)


def _of_default_type(config: Fields) -> Fields:
    kept = {"rope_theta", "partial_rotary_factor"}
    parameters = parameters_of(config)
    return config.having(rope_parameters={n: v for n, v in parameters.items() if n in kept})


def with_rotary(layer: LayerSpec, **changes: Any) -> LayerSpec:
    """The layer with a rotation that is changed."""
    encodings = (
        replace(each, **changes) if isinstance(each, RotarySpec) else each
        for each in layer.encodings
    )
    return replace(layer, encodings=tuple(encodings))


def esm(config: Fields, row: Architecture) -> PositionSpec:
    """The base stands beside, and nothing scales it.

    Source: esm/modeling_esm.py, `RotaryEmbedding`; the same of Evolla's protein encoder.
    """
    return read_plain(unscaled(config, config.number("rope_theta")), row)


def wav2vec2(config: Fields, row: Architecture) -> PositionSpec:
    """The base has a name of its own, and nothing scales it.

    Source: wav2vec2_conformer/modeling_wav2vec2_conformer.py,
    `Wav2Vec2ConformerRotaryPositionalEmbedding`.
    """
    return read_plain(unscaled(config, config.number("rotary_embedding_base")), row)


def dinov3(config: Fields, row: Architecture) -> PositionSpec:
    """The base stands beside.

    Source: dinov3_vit/modeling_dinov3_vit.py, `DINOv3ViTRopePositionEmbedding`; Sapiens 2 as well.
    """
    return read_plain(with_base(config, config.number("rope_theta")), row)


def granite_swa(config: Fields, row: Architecture) -> PositionSpec:
    """Each layer has a base of its own in a list; those of 0 do not turn.

    Source: granite_swa/modeling_granite_swa.py, `GraniteSWARotaryEmbedding`.
    """

    def fields_of(fields: Fields, at: int, kind: Any) -> Fields:
        given = fields.get("layer_rope_theta")
        if isinstance(given, (list, tuple)):
            if not given[at]:
                return fields
            own = Fields({"layer_rope_theta": given[at]}, fields.notes)
            return with_base(fields, own.number("layer_rope_theta"))
        return with_base(fields, fields.number("layer_rope_theta"))

    return read_plain(config, row, fields_of=fields_of)


def molmo2(config: Fields, row: Architecture) -> PositionSpec:
    """A list names the layers whose frequencies are scaled; the others' are not.

    Source: molmo2/modeling_molmo2.py, `Molmo2TextModel`.
    """
    if config.get("rope_scaling_layers") is None:
        return read_plain(config, row)

    def fields_of(fields: Fields, at: int, kind: Any) -> Fields:
        scaled = at in fields.get("rope_scaling_layers")
        return fields if scaled else _of_default_type(fields)

    return read_plain(config, row, fields_of=fields_of)


def deepseek_v4(config: Fields, row: Architecture) -> PositionSpec:
    """Entries of `rope_parameters` are by kind of attention; values turn, and the output back.

    Source: deepseek_v4/modeling_deepseek_v4.py, `DeepseekV4Attention`.
    """

    def fields_of(fields: Fields, at: int, kind: Any) -> Fields:
        parameters = parameters_of(fields)
        label = "main" if kind == "sliding_attention" else "compress"
        known = ("sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention")
        if kind not in known or label not in parameters:
            return fields
        return fields.having(rope_parameters={**parameters, kind: parameters[label]})

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return replace(layer, values="turned_back") if layer.encodings else layer

    return read_plain(config, row, fields_of=fields_of, then=then)


def hunyuan(config: Fields, row: Architecture) -> PositionSpec:
    """With `alpha` the type "dynamic" is NTK by that number, the same at every length.

    Source: hunyuan_v1_dense/modeling_hunyuan_v1_dense.py, `HunYuanDenseV1RotaryEmbedding`.
    """
    parameters = parameters_of(config)
    if parameters.get("rope_type") != "dynamic" or parameters.get("alpha") is None:
        return read_plain(config, row)
    alpha = scaling.ntk_alpha(alpha=Fields(parameters, config.notes).number("alpha"))
    # The rule of the type is not used, and may lack what it needs.
    config = config.having(rope_parameters={**parameters, "factor": 1.0})

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return with_rotary(layer, scaling=alpha)

    return read_plain(config, row, then=then)


def phimoe(config: Fields, row: Architecture) -> PositionSpec:
    """Gains of its own replace those of LongRoPE, and its frequencies never switch.

    Source: phimoe/modeling_phimoe.py, `PhimoeRotaryEmbedding`, which calls the rule of the type
    once, without a length, and multiplies by `short_mscale` or `long_mscale`.
    """
    parameters = parameters_of(config)

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        made = parameters.get("rope_type", "default")
        if made in ("default", "axial", "proportional"):
            return layer
        if made != "longrope":
            raise config.notes.wrong(
                f"rope_type {made!r}: this architecture multiplies it by short_mscale and "
                "long_mscale, which is read of longrope alone"
            )
        if list(parameters["long_factor"]) != list(parameters["short_factor"]):
            config.notes.note(
                "long_factor is ignored: transformers turns sequences of every length by "
                "short_factor, where Microsoft's own code turns long ones by long_factor"
            )
        own = Fields(parameters, config.notes)
        gains = {}
        for length in ("short", "long"):
            name = f"{length}_mscale"
            if own.get(name) is None:
                raise config.notes.wrong(
                    f"{name} is missing, and rope_type 'longrope' has no default for it"
                )
            gains[f"{length}_attention_factor"] = own.number(name)
        own_scaling = scaling.longrope(
            short_factor=parameters["short_factor"],
            long_factor=parameters["short_factor"],
            original_seq_len=int(own.number(scaling.LENGTH_KEY)),
            **gains,
        )
        return with_rotary(layer, scaling=own_scaling)

    return read_plain(config, row, then=then)

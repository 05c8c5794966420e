"""Models in which some layers turn and others do not, by a rule."""

from dataclasses import replace
from typing import Any

from phasor._read.architectures import Architecture
from phasor._read.fields import MOST_TOKENS, Fields
from phasor._read.layers import layer_types
from phasor._read.plain_stack import read_plain
from phasor.spec import LayerSpec, PositionSpec, QueryTemperatureSpec


def cohere2(config: Fields, row: Architecture) -> PositionSpec:
    """Layers with a window turn.

    Source: cohere2/modeling_cohere2.py, `Cohere2Attention`; AFMoE and Flint as well.
    """
    turns = [kind == "sliding_attention" for kind in layer_types(config)]
    return read_plain(config, row, turns=turns)


def exaone4(config: Fields, row: Architecture) -> PositionSpec:
    """Layers with a window turn; all of them where the model has no window.

    Source: exaone4/modeling_exaone4.py, `Exaone4Attention`; EXAONE MoE and Kolibri as well.
    """
    no_window = config.get("sliding_window") is None
    turns = [no_window or kind == "sliding_attention" for kind in layer_types(config)]
    return read_plain(config, row, turns=turns)


def cohere2_moe(config: Fields, row: Architecture) -> PositionSpec:
    """Layers with a window turn, and the dense ones if their pattern is 1.

    Source: cohere2_moe/modeling_cohere2_moe.py, `Cohere2MoeAttention`.
    """
    types = layer_types(config)
    kinds = config.list_of("mlp_layer_types", len(types)) or [None] * len(types)
    forced = config.get("prefix_dense_sliding_window_pattern") == 1
    has_window = config.get("sliding_window") is not None
    turns = [
        (kind == "sliding_attention" and has_window) or (forced and dense == "dense")
        for kind, dense in zip(types, kinds, strict=True)
    ]
    return read_plain(config, row, turns=turns)


def olmo_hybrid(config: Fields, row: Architecture) -> PositionSpec:
    """Attention turns if the config has a base.

    Source: olmo_hybrid/modeling_olmo_hybrid.py, `OlmoHybridModel`.
    """
    parameters = config.get("rope_parameters") or {}
    has_base = parameters.get("rope_theta") is not None
    turns = [has_base and kind == "full_attention" for kind in layer_types(config)]
    return read_plain(config, row, turns=turns)


def llama4(config: Fields, row: Architecture) -> PositionSpec:
    """Layers of chunks do not look out of them; queries of those that do not turn may grow.

    Source: llama4/modeling_llama4.py, `Llama4TextAttention`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        if "chunked" in str(kind):
            chunk = fields.whole_or("attention_chunk_size", None, most=MOST_TOKENS)
            layer = replace(layer, chunk=chunk)
        if layer.encodings or not fields.get("attn_temperature_tuning"):
            return layer
        temperature = QueryTemperatureSpec(
            original_seq_len=int(fields.number("floor_scale")),
            coefficient=fields.number("attn_scale"),
            offset=1,
        )
        return replace(layer, encodings=(temperature,))

    return read_plain(config, row, then=then)

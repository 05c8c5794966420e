"""What scores are scaled by, queries that grow with their position, and windows of other sizes."""

from dataclasses import replace
from typing import Any

from phasor._read._odd.bases import parameters_of
from phasor._read.architectures import Architecture
from phasor._read.fields import MOST_TOKENS, Fields
from phasor._read.plain_stack import read_plain
from phasor.spec import LayerSpec, PositionSpec, QueryTemperatureSpec, SSMaxSpec


def gemma2(config: Fields, row: Architecture) -> PositionSpec:
    """Scores are divided by the root of a number of their own.

    Source: gemma2/modeling_gemma2.py, `Gemma2Attention`; T5Gemma and VaultGemma as well.
    """
    scale = config.number("query_pre_attn_scalar") ** -0.5
    return read_plain(config, replace(row, score_scale=scale))


def gemma3(config: Fields, row: Architecture) -> PositionSpec:
    """As Gemma 2, and in both directions if a flag says so.

    Source: gemma3/modeling_gemma3.py, `Gemma3TextModel`.
    """
    scale = config.number("query_pre_attn_scalar") ** -0.5
    return step3p5(config, replace(row, score_scale=scale))


def step3p5(config: Fields, row: Architecture) -> PositionSpec:
    """Tokens see later ones as well if a flag says so, one fewer on each side than by `is_causal`.

    Source: step3p5/modeling_step3p5.py, `_bidirectional_window_overlay`.
    """
    if not row.causal or not config.get("use_bidirectional_attention"):
        return read_plain(config, row)

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return layer if layer.window is None else replace(layer, window=layer.window - 2)

    return read_plain(config, replace(row, causal=False), then=then)


def t5gemma2(config: Fields, row: Architecture) -> PositionSpec:
    """As Gemma 2, in both directions, with windows that are wide in all what others are on a side.

    Source: t5gemma2/modeling_t5gemma2.py, `sliding_window_mask_function`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return layer if layer.window is None else replace(layer, window=(layer.window - 1) // 2)

    scale = config.number("query_pre_attn_scalar") ** -0.5
    return read_plain(config, replace(row, score_scale=scale), then=then)


def zamba2(config: Fields, row: Architecture) -> PositionSpec:
    """Heads are of twice the width, and scores are scaled as if they were not.

    Source: zamba2/modeling_zamba2.py, `Zamba2Attention`.
    """
    scale = (config.number("head_dim") / 2) ** -0.5
    return read_plain(config, replace(row, score_scale=scale))


def beam(config: Fields, row: Architecture) -> PositionSpec:
    """Queries of layers that do not turn grow, by numbers that stand in the code.

    Source: beam/modeling_beam.py, `BeamAttention`.
    """
    spec = QueryTemperatureSpec(original_seq_len=2048, coefficient=0.1, offset=1, growth="power")

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return layer if layer.encodings else replace(layer, encodings=(spec,))

    return read_plain(config, row, then=then)


def ministral3(config: Fields, row: Architecture) -> PositionSpec:
    """Queries grow in all layers, by numbers that stand among the rope parameters.

    Source: ministral3/modeling_ministral3.py, `get_llama_4_attn_scale`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        parameters = Fields(parameters_of(fields), fields.notes)
        length = parameters.whole("original_max_position_embeddings", most=MOST_TOKENS)
        coefficient = parameters.number("llama_4_scaling_beta")
        spec = QueryTemperatureSpec(original_seq_len=length, coefficient=coefficient)
        return replace(layer, encodings=(*layer.encodings, spec))

    return read_plain(config, row, then=then)


def mistral4(config: Fields, row: Architecture) -> PositionSpec:
    """As Ministral 3, and neighbours are paired unless `rope_interleave` is false.

    Source: mistral4/modeling_mistral4.py, `Mistral4Attention`.
    """
    halves = config.get("rope_interleave") is False
    return ministral3(config, replace(row, layout="half") if halves else row)


def mistral_large4(config: Fields, row: Architecture) -> PositionSpec:
    """Each head of each layer learns how its queries grow.

    Source: mistral_large4/modeling_mistral_large4.py, `MistralLarge4Attention`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        spec = SSMaxSpec(num_heads=fields.whole("num_attention_heads"))
        return replace(layer, encodings=(*layer.encodings, spec))

    return read_plain(config, row, then=then)

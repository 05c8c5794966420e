"""Biases on the score, and learned vectors of distances."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phasor._read.architectures import Architecture
from phasor._read.fields import MOST_TOKENS, Fields, short
from phasor._read.plain_stack import read_plain
from phasor.spec import (
    ALiBiSpec,
    DeBERTaSpec,
    LayerSpec,
    PositionSpec,
    RelativeLogitsSpec,
    ScoreTemperatureSpec,
    ShawSpec,
    T5BiasSpec,
    TransformerXLSpec,
)


def falcon(config: Fields, row: Architecture) -> PositionSpec:
    """ALiBi is added before scores are scaled, and its slopes are bfloat16.

    Source: falcon/modeling_falcon.py, `build_alibi_tensor` and `FalconAttention`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        heads = fields.whole("num_attention_heads")
        scale = (fields.whole("hidden_size") // heads) ** -0.5
        spec = ALiBiSpec(num_heads=heads, scale=scale, precision="bfloat16")
        return replace(layer, encodings=(spec,))

    return read_plain(config, row, then=then)


def mpt(config: Fields, row: Architecture) -> PositionSpec:
    """What scores are scaled by stands in a config inside, whose other words nothing reads.

    Source: mpt/modeling_mpt.py, `MptAttention` and `build_mpt_alibi_tensor`.
    """
    inner = config.get("attn_config")
    inside = Fields({} if inner is None else inner, config.notes)
    if inside.get("softmax_scale") is not None:
        row = replace(row, score_scale=inside.number("softmax_scale"))
    spec = read_plain(config, row)
    for name, value in {"alibi": True, "alibi_bias_max": 8, "prefix_lm": False}.items():
        given = inside.get(name, value)
        if given != value:
            config.notes.note(
                f"attn_config.{name} {short(given)} is ignored: it is {value!r} always"
            )
    return spec


def umt5(config: Fields, row: Architecture) -> PositionSpec:
    """T5, with a table for each layer.

    Source: umt5/modeling_umt5.py, `UMT5Attention`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        (bias,) = layer.encodings
        assert isinstance(bias, T5BiasSpec)
        return replace(layer, encodings=(replace(bias, shared=False),))

    return read_plain(config, row, then=then)


def shaw(config: Fields, row: Architecture) -> PositionSpec:
    """Vectors of distances, as many to either side as the config says.

    Source: wav2vec2_bert/modeling_wav2vec2_bert.py, `Wav2Vec2BertSelfAttention`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        spec = ShawSpec(
            head_dim=fields.whole("hidden_size") // fields.whole("num_attention_heads"),
            max_distance=fields.whole("left_max_position_embeddings"),
            max_ahead=fields.whole("right_max_position_embeddings"),
        )
        return replace(layer, encodings=(spec,))

    return read_plain(config, row, then=then)


def transformer_xl(config: Fields, row: Architecture) -> PositionSpec:
    """Queries meet projected sines of distances.

    Source: xlnet/modeling_xlnet.py, `XLNetRelativeAttention`; wav2vec2_conformer and
    fastspeech2_conformer have it as well, after arXiv:1901.02860.
    """
    if config.number("clamp_len", -1) > 0 or config.get("bi_data"):
        raise config.notes.wrong(
            "clamp_len and bi_data change distances, which is not supported; leave them at -1 and "
            "false"
        )

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        dim, heads = fields.whole("hidden_size"), fields.whole("num_attention_heads")
        head_dim = fields.whole_or("head_dim", None) or dim // heads
        spec = TransformerXLSpec(dim=dim, head_dim=head_dim, num_heads=heads)
        return replace(layer, encodings=(spec,))

    return read_plain(config, row, then=then)


def deberta(config: Fields, row: Architecture) -> PositionSpec:
    """Content meets vectors of distances in both directions; the table may be left out.

    Source: deberta/modeling_deberta.py and deberta_v2/modeling_deberta_v2.py,
    `disentangled_attention_bias`.
    """
    if not config.get("position_biased_input"):
        row = replace(row, embedding=None)
    if not config.get("relative_attention"):
        return read_plain(config, row)
    products = config.get("pos_att_type") or []
    if sorted(products) != ["c2p", "p2c"]:
        raise config.notes.wrong(
            f"pos_att_type {products!r} is not supported: DeBERTa here has both, c2p and p2c"
        )
    # Both are -1 where there is none.
    buckets = int(config.number("position_buckets", -1))
    distance = int(config.number("max_relative_positions", -1))
    heads, dim = config.whole("num_attention_heads"), config.whole("hidden_size")
    spec = DeBERTaSpec(
        dim=dim,
        head_dim=dim // heads,
        num_heads=heads,
        max_distance=config.whole("max_position_embeddings") if distance < 1 else distance,
        num_buckets=buckets if buckets > 0 else None,
    )

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        return replace(layer, encodings=(spec,))

    return read_plain(config, row, then=then)


_IN_WINDOWS: Mapping[str, str] = {
    "head_dim": "swa_head_dim",
    "num_attention_heads": "swa_num_attention_heads",
    "rel_extent": "sliding_window_size",
    "log_scaling_n_floor": "",
}


def inkling(config: Fields, row: Architecture) -> PositionSpec:
    """Queries mix learned profiles of distances; layers with a window have sizes of their own.

    Source: inkling_mm_model/modeling_inkling_mm_model.py.
    """

    def fields_of(fields: Fields, at: int, kind: Any) -> Fields:
        sliding = "sliding" in str(kind)
        return fields.renamed({**fields.names, **_IN_WINDOWS}) if sliding else fields

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        logits = RelativeLogitsSpec(
            dim=fields.whole("hidden_size"),
            num_heads=fields.whole("num_attention_heads"),
            extent=fields.whole("rel_extent"),
            rank=fields.whole("d_rel"),
        )
        encodings: tuple[Any, ...] = (logits,)
        length = fields.whole_or("log_scaling_n_floor", None, most=MOST_TOKENS)
        if length is not None:
            coefficient = fields.number("log_scaling_alpha")
            encodings += (ScoreTemperatureSpec(original_seq_len=length, coefficient=coefficient),)
        scale = 1 / fields.number("head_dim")
        return replace(layer, encodings=encodings, score_scale=scale)

    return read_plain(config, row, fields_of=fields_of, then=then)

"""Tables and sines that are chosen, counted or placed otherwise."""

from dataclasses import replace
from typing import Any

from phasor._read._odd.bases import with_rotary
from phasor._read.architectures import Architecture, Embedding
from phasor._read.embedding import read_embedding
from phasor._read.fields import Fields
from phasor._read.plain_stack import read_plain
from phasor.rotary.scaling import linear
from phasor.spec import LayerSpec, PositionSpec, SinusoidalSpec


def _with_sines(spec: PositionSpec, **changes: Any) -> PositionSpec:
    assert isinstance(spec.embedding, SinusoidalSpec)
    return replace(spec, embedding=replace(spec.embedding, **changes))


def xlm(config: Fields, row: Architecture) -> PositionSpec:
    """Sines and cosines alternate, or there is a table instead.

    Source: xlm/modeling_xlm.py, `XLMModel`; FlauBERT as well.
    """
    if config.get("sinusoidal_embeddings"):
        return _with_sines(read_plain(config, row), layout="interleaved")
    return read_plain(config, replace(row, embedding=Embedding(kind="learned")))


def trocr(config: Fields, row: Architecture) -> PositionSpec:
    """A table, or sines instead.

    Source: trocr/modeling_trocr.py, `TrOCRDecoder`.
    """
    if not config.get("use_learned_position_embeddings"):
        sines = Embedding(kind="sinusoidal", endpoint=True, after_padding=True)
        row = replace(row, embedding=sines)
    return read_plain(config, row)


def informer(config: Fields, row: Architecture) -> PositionSpec:
    """The decoder's first token has the position after the context.

    Source: informer/modeling_informer.py, `InformerDecoder`; the time series transformer as well.
    """
    return _with_sines(read_plain(config, row), offset=config.whole("context_length"))


def autoformer(config: Fields, row: Architecture) -> PositionSpec:
    """The decoder's first token is one of the context's last.

    Source: autoformer/modeling_autoformer.py, `AutoformerDecoder`.
    """
    offset = config.whole("context_length") - config.whole("label_length")
    return _with_sines(read_plain(config, row), offset=offset)


def musicgen(config: Fields, row: Architecture) -> PositionSpec:
    """Cosines come first.

    Source: musicgen/modeling_musicgen.py, `MusicgenSinusoidalPositionalEmbedding`.
    """
    return _with_sines(read_plain(config, row), first="cosine")


def yolos(config: Fields, row: Architecture) -> PositionSpec:
    """The table has rows for the class token and for each detection token.

    Source: yolos/modeling_yolos.py, `YolosEmbeddings`.
    """
    return _with_rows(config, row, 1 + config.whole("num_detection_tokens"))


def pixio(config: Fields, row: Architecture) -> PositionSpec:
    """The table has a row for each class token.

    Source: pixio/modeling_pixio.py, `PixioEmbeddings`.
    """
    return _with_rows(config, row, config.whole("n_cls_tokens"))


def _with_rows(config: Fields, row: Architecture, rows: int) -> PositionSpec:
    assert row.embedding is not None
    return read_plain(config, replace(row, embedding=replace(row.embedding, rows=rows)))


def sam3(config: Fields, row: Architecture) -> PositionSpec:
    """The table is of another size of image; without windows the image is squeezed into one.

    Source: sam3/modeling_sam3.py, `Sam3ViTLayer` and `Sam3ViTRotaryEmbedding`.
    """

    def then(layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec:
        if at not in fields.get("global_attn_indexes", ()):
            return layer
        side = fields.whole("image_size") // fields.whole("patch_size")
        return with_rotary(layer, scaling=linear(factor=side / fields.whole("window_size")))

    assert row.embedding is not None
    spec = read_plain(config, replace(row, embedding=None), then=then)
    table = read_embedding(config.renamed({"image_size": "pretrain_image_size"}), row.embedding)
    return replace(spec, embedding=table)

"""The layers of a model that does as its row says, and the embedding before them."""

from dataclasses import replace

from phasor._read.architectures import Architecture
from phasor._read.dual_chunk import read_trained_length
from phasor._read.embedding import read_embedding
from phasor._read.fields import MOST_TOKENS, Fields
from phasor._read.layers import FieldsOf, Then, read_layers
from phasor._read.limits import MAX_LAYERS
from phasor.spec import LayerSpec, LearnedSpec, PositionSpec


def as_asked(fields: Fields, row: Architecture) -> Architecture:
    """The row with both directions where the config asks for them by `is_causal`."""
    if not row.causal or fields.get("is_causal") is not False or row.fixed.get("is_causal"):
        return row
    if row.mechanism == "t5" or row.window == "none":
        fields.notes.doubt("is_causal False is not known to this architecture")
        return row
    return replace(row, causal=False)


def read_plain(
    fields: Fields,
    row: Architecture,
    *,
    bare: bool = False,
    turns: list[bool] | None = None,
    fields_of: FieldsOf | None = None,
    then: Then | None = None,
) -> PositionSpec:
    """A stack by its row alone.

    Args:
        fields: Of its config, under the names of the row.
        row: Of its architecture.
        bare: Whether its layers have no position at all.
        turns: As of `read_layers`.
        fields_of: As of `read_layers`.
        then: As of `read_layers`.
    """
    if bare:
        layers = (LayerSpec(),) * fields.whole("num_hidden_layers", most=MAX_LAYERS)
    else:
        layers = read_layers(fields, row, turns=turns, fields_of=fields_of, then=then)
    embedding = None if row.embedding is None else read_embedding(fields, row.embedding)
    longest = fields.whole_or("max_position_embeddings", None, most=MOST_TOKENS)
    if longest is not None and isinstance(embedding, LearnedSpec):
        # RoBERTa counts the rows of its table, the first of which are for padding.
        longest = min(longest, embedding.num_positions)
    return PositionSpec(
        model="stack",
        layers=layers,
        embedding=embedding,
        causal=row.causal,
        max_seq_len=longest,
        trained_seq_len=read_trained_length(fields),
    )

"""A model as a stack of layers, with the other stacks it has."""

from dataclasses import replace

from phasor.checkpoints.architectures import Architecture, architecture
from phasor.checkpoints.dual_chunk import read_trained_length
from phasor.checkpoints.embedding import read_embedding
from phasor.checkpoints.fields import MOST_TOKENS, Fields, short
from phasor.checkpoints.layers import read_layers
from phasor.checkpoints.limits import MAX_LAYERS
from phasor.errors import ArgumentError
from phasor.spec import LayerSpec, LearnedSpec, PositionSpec


def read_stack(fields: Fields, row_name: str, model: str) -> PositionSpec:
    """The spec of one stack.

    Args:
        fields: Its config.
        row_name: Of its row in the table.
        model: What the spec is called.
    """
    notes = fields.notes
    try:
        row = architecture(row_name)
    except ArgumentError as error:
        raise notes.wrong(str(error)) from None
    if row.mechanism == "unsupported":
        raise notes.wrong(f"{row_name} is not supported: {row.reason}")
    if row.stack is not None:
        inner = fields.get(row.stack)
        if inner is None:
            raise fields.missing(row.stack)
        own = Fields(inner, notes)
        spec = read_stack(own, str(own.get("model_type")), model)
    else:
        spec = _layers(fields.renamed(row.names), _as_wanted(fields, row), model)
    for name, value in row.fixed.items():
        given = fields.get(name, value)
        if given != value:
            notes.note(
                f"{name.replace('/', '.')} {short(given)} is ignored: it is {value!r} always"
            )
    for sentence in row.omits:
        notes.note(sentence)
    towers = [tower for name in row.towers if (tower := _tower(fields, row, name)) is not None]
    return _with_towers(spec, (*spec.towers, *towers))


def _as_wanted(fields: Fields, row: Architecture) -> Architecture:
    """With both directions where the config asks for them."""
    asked = fields.get("is_causal") is False
    if not row.causal or not (asked or (row.undirected and fields.get(row.undirected))):
        return row
    if row.fixed.get("is_causal"):
        return row
    if row.mechanism == "t5" or row.chunk is not None or row.window == "none":
        fields.notes.doubt("is_causal False is not known to this architecture")
        return row
    # Windows count the tokens on either side then, and those of the flag one less.
    return replace(row, causal=False, sides=2, exclusive=not asked)


def _layers(fields: Fields, row: Architecture, model: str) -> PositionSpec:
    if row.when is not None and fields.get(row.when[0]) != row.when[1]:
        if row.otherwise is not None:
            return read_stack(fields, row.otherwise, model)
        layers = (LayerSpec(),) * fields.whole(row.layers, most=MAX_LAYERS)
    else:
        layers = read_layers(fields, row)
    embedding = read_embedding(fields, row)
    longest = fields.whole_or("max_position_embeddings", None, most=MOST_TOKENS)
    if longest is not None and isinstance(embedding, LearnedSpec):
        # RoBERTa counts the rows of its table, the first of which are for padding.
        longest = min(longest, embedding.num_positions)
    return PositionSpec(
        model=model,
        layers=layers,
        embedding=embedding,
        causal=row.causal,
        max_seq_len=longest,
        trained_seq_len=read_trained_length(fields),
    )


def _tower(fields: Fields, row: Architecture, name: str) -> PositionSpec | None:
    where = row.towers[name]
    if "config" not in where:
        return read_stack(fields, where["row"], name)
    inner = fields.get(where["config"])
    if inner is None:
        return None
    own = Fields(inner, fields.notes)
    row_name = where.get("row", str(own.get("model_type")))
    try:
        return read_stack(own, row_name, name)
    except ArgumentError as error:
        fields.notes.note(f"the {name} tower is left out: {error}")
        return None


def _with_towers(spec: PositionSpec, towers: tuple[PositionSpec, ...]) -> PositionSpec:
    if towers == spec.towers:
        return spec
    return replace(spec, towers=towers)

"""A model as a stack of layers, with the other stacks it has."""

from dataclasses import replace

from phasor._read._odd import ODD
from phasor._read.architectures import Architecture, architecture
from phasor._read.fields import Fields, short
from phasor._read.plain_stack import as_asked, read_plain
from phasor.errors import ArgumentError
from phasor.spec import PositionSpec


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
        spec = replace(_own(fields.renamed(row.names), row, model), model=model)
    for name, value in row.fixed.items():
        given = fields.get(name, value)
        if given != value:
            notes.note(f"{name} {short(given)} is ignored: it is {value!r} always")
    for sentence in row.omits:
        notes.note(sentence)
    towers = [tower for name in row.towers if (tower := _tower(fields, row, name)) is not None]
    return _with_towers(spec, (*spec.towers, *towers))


def _own(fields: Fields, row: Architecture, model: str) -> PositionSpec:
    """The stack of layers itself."""
    row = as_asked(fields, row)
    if any(fields.get(name) != value for name, value in row.when.items()):
        if row.otherwise is not None:
            return read_stack(fields, row.otherwise, model)
        return read_plain(fields, row, bare=True)
    return read_plain(fields, row) if row.odd is None else ODD[row.odd](fields, row)


def _tower(fields: Fields, row: Architecture, name: str) -> PositionSpec | None:
    tower = row.towers[name]
    if tower.config is None:
        assert tower.row is not None
        return read_stack(fields, tower.row, name)
    inner = fields.get(tower.config)
    if inner is None:
        return None
    own = Fields(inner, fields.notes)
    try:
        return read_stack(own, tower.row or str(own.get("model_type")), name)
    except ArgumentError as error:
        fields.notes.note(f"the {name} tower is left out: {error}")
        return None


def _with_towers(spec: PositionSpec, towers: tuple[PositionSpec, ...]) -> PositionSpec:
    if towers == spec.towers:
        return spec
    return replace(spec, towers=towers)

"""`rope_parameters`, as transformers standardises them, become a `RotarySpec`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import Fields
from phasor.checkpoints.notes import Notes
from phasor.checkpoints.scaling import read_scaling
from phasor.errors import PhasorError
from phasor.rotary.scaling import LengthScaling, Scaling
from phasor.spec import GeometricSpec, ProportionalSpec, RotarySpec, SectionsSpec


@dataclass(frozen=True)
class Head:
    """Channels of a head: all of them, those that `rope_parameters` are about, and the rest."""

    dim: int
    rotary_base: int


def read_head(fields: Fields, row: Architecture) -> Head:
    """The channels of each head."""
    found = next(
        (fields.whole(name) for name in row.head_dim if fields.get(name) is not None), None
    )
    if found is None:
        found = fields.whole("hidden_size") // fields.whole("num_attention_heads")
    still = 0 if row.still is None else fields.whole(row.still)
    return Head(found + still, found)


def read_rotary(
    fields: Fields, row: Architecture, parameters: Mapping[str, Any], *, outer: Mapping[str, Any]
) -> RotarySpec:
    """The rotation of one layer.

    Args:
        fields: Of that layer.
        row: Of its architecture.
        parameters: Those of the layer's type, or of all layers.
        outer: The dict that holds them; the same where layers do not differ.
    """
    notes = fields.notes
    head = read_head(fields, row)
    kind = parameters.get("rope_type", "default")
    base = _base(parameters, fields, row)
    partial = number(parameters, "partial_rotary_factor", notes, 1.0)
    try:
        frequencies: GeometricSpec | ProportionalSpec
        scaling: Scaling | LengthScaling | None = None
        if kind == "proportional":
            factor = number(parameters, "factor", notes, 1.0)
            frequencies = ProportionalSpec(
                head_dim=head.rotary_base, proportion=partial, base=base, factor=factor
            )
        else:
            width = _width(head, row, fields, partial, kind)
            frequencies = GeometricSpec(rotary_dim=width, base=base)
            scaling = read_scaling(kind, parameters, outer, fields, row)
        return RotarySpec(
            head_dim=head.dim,
            frequencies=frequencies,
            scaling=scaling,
            sections=_sections(parameters, fields, row),
            layout=row.layout,
            rotary_slice="trailing" if row.still else row.rotary_slice,
        )
    except PhasorError as error:
        raise notes.wrong(str(error).removeprefix(f"{notes.where}: ")) from None


def number(
    parameters: Mapping[str, Any], name: str, notes: Notes, default: float | None = None
) -> float:
    """A number of `rope_parameters`.

    Raises:
        ArgumentError: It is missing and has no default, or is no number.
    """
    value = parameters.get(name)
    if value is None:
        if default is None:
            kind = parameters.get("rope_type", "default")
            raise notes.wrong(f"{name} is missing, and rope_type {kind!r} has no default for it")
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise notes.wrong(f"{name} must be a number, got {value!r}")
    return float(value)


def _base(parameters: Mapping[str, Any], fields: Fields, row: Architecture) -> float:
    if isinstance(row.theta, float):
        return row.theta
    if row.theta is not None:
        return number({row.theta: fields.get(row.theta)}, row.theta, fields.notes)
    return number(parameters, "rope_theta", fields.notes)


def _width(head: Head, row: Architecture, fields: Fields, partial: float, kind: str) -> int:
    if row.width in ("head", "partial"):
        honoured = row.width == "partial" or kind != "default"
        return int(head.rotary_base * partial) if honoured else head.rotary_base
    return fields.whole(row.width)


def _sections(
    parameters: Mapping[str, Any], fields: Fields, row: Architecture
) -> SectionsSpec | None:
    if row.sections is None:
        return None
    sizes = parameters.get("mrope_section")
    if sizes is None and row.sections_name is not None:
        sizes = fields.get(row.sections_name)
    if sizes is None:
        sizes = row.sections_default
    if sizes is None:
        raise fields.notes.wrong("mrope_section is missing and has no documented default")
    whole = isinstance(sizes, (list, tuple)) and all(type(size) is int for size in sizes)
    if not whole:
        raise fields.notes.wrong(f"mrope_section must be a list of whole numbers, got {sizes!r}")
    if row.sections == "ernie":  # its configs list height, width, time
        sizes = (sizes[-1], *sizes[:-1])
    return SectionsSpec(sizes=tuple(sizes), order=row.sections)

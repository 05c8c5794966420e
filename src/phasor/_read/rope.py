"""`rope_parameters`, as transformers standardises them, become a `RotarySpec`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phasor._read.architectures import Architecture
from phasor._read.axes import image_rotary
from phasor._read.fields import Fields
from phasor._read.scaling import read_scaling
from phasor.errors import PhasorError
from phasor.rotary.rules import FrequencySpec
from phasor.rotary.scaling import YaRN
from phasor.spec import (
    ExplicitSpec,
    GeometricSpec,
    ProportionalSpec,
    RotarySpec,
    SectionsSpec,
    UnevenRotarySpec,
)

Turning = tuple[RotarySpec | UnevenRotarySpec, ...]
"""The rotation of one layer, in one part or in several; none where it does not turn."""


def read_rotary(
    fields: Fields,
    row: Architecture,
    parameters: Mapping[str, Any],
    *,
    outer: Mapping[str, Any],
) -> Turning:
    """The rotation of one layer, in one part or in several.

    Args:
        fields: Of that layer.
        row: Of its architecture.
        parameters: Those of the layer's type, or of all layers.
        outer: The dict that holds them; the same where layers do not differ.
    """
    try:
        if row.axes is not None:
            return _of_image(fields, row, parameters)
        return (_rotary(fields, row, parameters, outer),)
    except PhasorError as error:
        where = f"{fields.notes.where}: "
        raise fields.notes.wrong(str(error).removeprefix(where)) from None


def read_indexer(
    fields: Fields, row: Architecture, main: RotarySpec | UnevenRotarySpec
) -> RotarySpec:
    """The rotation of a layer's indexer, which gets the cosines and sines of its attention.

    Args:
        fields: Of that layer.
        row: Of its architecture, which has an indexer.
        main: The rotation of the layer's attention.
    """
    assert row.indexer is not None
    assert isinstance(main, RotarySpec)
    scaling = main.scaling
    if isinstance(scaling, YaRN):  # a gain on the softmax, which an indexer has not
        scaling = replace(scaling, scale_softmax=False)
    try:
        return replace(
            main,
            head_dim=fields.whole(row.indexer.head_dim),
            layout=row.indexer.layout,
            rotary_slice=row.indexer.rotary_slice,
            scaling=scaling,
        )
    except PhasorError as error:
        raise fields.notes.wrong(f"the indexer cannot turn: {error}") from None


def _rotary(
    fields: Fields,
    row: Architecture,
    parameters: Mapping[str, Any],
    outer: Mapping[str, Any],
) -> RotarySpec:
    kind = parameters.get("rope_type", "default")
    own = Fields(parameters, fields.notes)
    base = own.number("rope_theta")
    partial = (
        1.0 if own.get("partial_rotary_factor") is None else own.number("partial_rotary_factor")
    )
    channels = channels_of(fields, row)
    frequencies: GeometricSpec | ProportionalSpec | ExplicitSpec
    scaling = None
    if kind == "proportional":
        factor = own.number("factor", 1.0)
        frequencies = ProportionalSpec(
            head_dim=channels, proportion=partial, base=base, factor=factor
        )
    else:
        width = _width(channels, row, fields, partial, kind)
        if width % 2 and kind in ("yarn", "dynamic"):
            raise fields.notes.wrong(
                f"rope_type {kind!r} with {width} turning channels: transformers goes by the odd "
                "number, which no scaling here does; partial_rotary_factor should leave an even one"
            )
        frequencies = progression(width, base)
        scaling = read_scaling(kind, parameters, outer, fields, row)
    return RotarySpec(
        head_dim=channels + (fields.whole("qk_nope_head_dim") if row.latent else 0),
        frequencies=frequencies,
        scaling=scaling,
        sections=_sections(own, fields, row, frequencies),
        layout=row.layout,
        rotary_slice="trailing" if row.latent else row.rotary_slice,
    )


def _of_image(
    fields: Fields, row: Architecture, parameters: Mapping[str, Any]
) -> tuple[RotarySpec, ...]:
    kind = parameters.get("rope_type", "axial")
    if kind not in ("axial", "default"):
        raise fields.wrong("rope_type", "'axial'", kind)
    assert row.axes is not None
    base = Fields(parameters, fields.notes).number("rope_theta")
    return image_rotary(row.axes, channels_of(fields, row), base, layout=row.layout)


def channels_of(fields: Fields, row: Architecture) -> int:
    """The channels of a head, those that turn where others stand before them."""
    name = "qk_rope_head_dim" if row.latent else "head_dim"
    if fields.get(name) is not None:
        return fields.whole(name)
    return fields.whole("hidden_size") // fields.whole("num_attention_heads")


def _width(channels: int, row: Architecture, fields: Fields, partial: float, kind: str) -> int:
    # Of the default type each model has a copy of its own, and most ignore the factor.
    honoured = row.partial or kind != "default"
    if partial != 1.0 and not honoured:
        fields.notes.note(f"partial_rotary_factor {partial} is ignored: whole heads turn")
    elif partial != 1.0 and not row.partial and row.rotary_slice == "leading":
        fields.notes.doubt(
            f"partial_rotary_factor {partial} with rope_type {kind!r}: the frequencies are "
            "fewer than the code of this architecture expects, and transformers fails"
        )
    return int(channels * partial) if honoured else channels


def progression(width: int, base: float) -> GeometricSpec | ExplicitSpec:
    """One geometric progression, as transformers has it for any number of channels."""
    if width % 2 == 0:
        return GeometricSpec(rotary_dim=width, base=base)
    # Transformers takes exponents over the odd number and turns one channel more.
    return ExplicitSpec(
        inv_freq=(tuple(base ** (-2 * pair / width) for pair in range((width + 1) // 2)),),
        base=base,
    )


def _sections(
    own: Fields, fields: Fields, row: Architecture, frequencies: FrequencySpec
) -> SectionsSpec | None:
    if row.sections is None:
        return None
    width = frequencies.build().rotary_dim
    sizes = own.get("mrope_section")
    if sizes is None:
        sizes = row.section_sizes
    if sizes is None:
        raise own.missing("mrope_section")
    if not isinstance(sizes, (list, tuple)) or any(type(size) is not int for size in sizes):
        raise own.wrong("mrope_section", "a list of whole numbers", sizes)
    if row.sections == "ernie":  # its configs list height, width, time
        sizes = (sizes[-1], *sizes[:-1])
    if row.sections == "interleaved" and sum(sizes) != width // 2:
        # The first axis has all pairs that no other takes, whatever its size says.
        fields.notes.note(
            f"mrope_section {list(sizes)} does not add up; the first axis has the rest"
        )
        sizes = (width // 2 - sum(sizes[1:]), *sizes[1:])
    return SectionsSpec(sizes=tuple(sizes), order=row.sections)

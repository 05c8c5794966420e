"""`rope_parameters`, as transformers standardises them, become a `RotarySpec`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.axes import image_rotary
from phasor.checkpoints.fields import Fields
from phasor.checkpoints.notes import Notes
from phasor.checkpoints.scaling import read_scaling
from phasor.errors import PhasorError
from phasor.rotary import Frequencies
from phasor.rotary.layout import Layout, RotarySlice
from phasor.rotary.scaling import LengthScaling, YaRN, linear
from phasor.spec import (
    AxialSpec,
    ExplicitSpec,
    GeometricSpec,
    ProportionalSpec,
    RotarySpec,
    SectionsSpec,
    UnevenRotarySpec,
)
from phasor.spec.frequencies import FrequencySpec

Turning = tuple[RotarySpec | UnevenRotarySpec, ...]
"""The rotation of one layer, in one part or in several; none where it does not turn."""

_BLOCKS = 3
"""Of V-JEPA 2's heads: frame, row, column."""


def read_rotary(
    fields: Fields,
    row: Architecture,
    parameters: Mapping[str, Any],
    *,
    outer: Mapping[str, Any],
    at: int,
) -> Turning:
    """The rotation of one layer, in one part or in several.

    Args:
        fields: Of that layer.
        row: Of its architecture.
        parameters: Those of the layer's type, or of all layers.
        outer: The dict that holds them; the same where layers do not differ.
        at: Which layer it is.
    """
    try:
        if row.axes is not None:
            return _of_image(fields, row, parameters, at)
        spec = _rotary(fields, row, parameters, outer, at)
        if row.uneven is not None:
            return (_uneven(spec, row, fields.notes),)
        return (_reversed(spec) if row.backwards else spec,)
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
            head_dim=fields.whole(row.indexer["head_dim"]),
            layout=cast("Layout", row.indexer["layout"]),
            rotary_slice=cast("RotarySlice", row.indexer["rotary_slice"]),
            scaling=scaling,
        )
    except PhasorError as error:
        raise fields.notes.wrong(f"the indexer cannot turn: {error}") from None


def _rotary(
    fields: Fields,
    row: Architecture,
    parameters: Mapping[str, Any],
    outer: Mapping[str, Any],
    at: int,
) -> RotarySpec:
    kind = parameters.get("rope_type", "default")
    own = Fields(parameters, fields.notes)
    base = _base(own, fields, row, at)
    partial = (
        1.0 if own.get("partial_rotary_factor") is None else own.number("partial_rotary_factor")
    )
    channels = _channels(fields, row)
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
        frequencies = _progression(width, base)
        scaling = read_scaling(kind, parameters, outer, fields, row)
    layout: Layout = row.layout
    if row.layout_switch is not None and fields.get(row.layout_switch) is False:
        layout = "half"
    return RotarySpec(
        head_dim=channels + (0 if row.still is None else fields.whole(row.still)),
        frequencies=frequencies,
        scaling=scaling,
        sections=_sections(own, fields, row, frequencies),
        layout=layout,
        rotary_slice="trailing" if row.still else row.rotary_slice,
    )


def _of_image(
    fields: Fields, row: Architecture, parameters: Mapping[str, Any], at: int
) -> tuple[RotarySpec, ...]:
    kind = parameters.get("rope_type", "axial")
    if kind not in ("axial", "default"):
        raise fields.wrong("rope_type", "'axial'", kind)
    assert row.axes is not None
    base = _base(Fields(parameters, fields.notes), fields, row, at)
    scaling = None
    if row.scaled is not None and at in fields.get(row.scaled, ()):
        # Without windows the image is squeezed into the size of one (SAM 3).
        side = fields.whole("image_size") // fields.whole("patch_size")
        scaling = linear(factor=side / fields.whole(row.window_name))
    parts = image_rotary(row.axes, _channels(fields, row), base, layout=row.layout)
    return tuple(replace(part, scaling=scaling) for part in parts)


def _channels(fields: Fields, row: Architecture) -> int:
    for name in row.head_dim:
        if fields.get(name) is not None:
            return fields.whole(name)
    return fields.whole("hidden_size") // fields.whole("num_attention_heads")


def _base(own: Fields, fields: Fields, row: Architecture, at: int) -> float:
    if isinstance(row.theta, str):
        given = fields.get(row.theta)
        if isinstance(given, (list, tuple)):
            return Fields({row.theta: given[at]}, fields.notes).number(row.theta)
        return fields.number(row.theta)
    return own.number("rope_theta") if row.theta is None else float(row.theta)


def _width(channels: int, row: Architecture, fields: Fields, partial: float, kind: str) -> int:
    if row.width in ("head", "partial"):
        # Of the default type each model has a copy of its own, and most ignore the factor.
        honoured = row.width == "partial" or kind != "default"
        if partial != 1.0 and not honoured:
            fields.notes.note(f"partial_rotary_factor {partial} is ignored: whole heads turn")
        elif partial != 1.0 and row.width == "head" and row.rotary_slice == "leading":
            fields.notes.doubt(
                f"partial_rotary_factor {partial} with rope_type {kind!r}: the frequencies are "
                "fewer than the code of this architecture expects, and transformers fails"
            )
        return int(channels * partial) if honoured else channels
    if row.width == "rule:clvp":
        half = fields.whole("projection_dim") // (2 * fields.whole("num_attention_heads"))
        return max(half, 32)
    if row.width == "rule:thirds":
        return channels // 6 * 6
    return fields.whole_or(row.width, None) or channels


def _progression(width: int, base: float) -> GeometricSpec | ExplicitSpec:
    if width % 2 == 0:
        return GeometricSpec(rotary_dim=width, base=base)
    # Transformers takes exponents over the odd number and turns one channel more.
    return ExplicitSpec(
        inv_freq=(tuple(base ** (-2 * pair / width) for pair in range((width + 1) // 2)),),
        base=base,
    )


def _reversed(spec: RotarySpec) -> RotarySpec:
    # Those that depend on the length multiply frequencies, whatever their sign.
    later = spec.scaling if isinstance(spec.scaling, LengthScaling) else None
    built = replace(spec, scaling=None) if later is not None else spec
    turning: Frequencies = built.build().frequencies
    return RotarySpec(
        head_dim=spec.head_dim,
        frequencies=ExplicitSpec(
            inv_freq=tuple(map(tuple, torch.neg(turning.inv_freq).tolist())),
            base=turning.base,
            attention_scale=turning.attention_scale,
            softmax_scale=turning.softmax_scale,
        ),
        scaling=later,
        layout=spec.layout,
        rotary_slice=spec.rotary_slice,
    )


def _uneven(spec: RotarySpec, row: Architecture, notes: Notes) -> RotarySpec | UnevenRotarySpec:
    frequencies, sections = spec.frequencies, spec.sections
    if not isinstance(frequencies, GeometricSpec):
        raise notes.wrong(
            "this architecture turns the two channels of a pair by different angles, which is read "
            "of frequencies in one geometric progression alone"
        )
    if row.uneven == "sections":
        if sections is None:  # text, where all axes are equal
            return spec
        notes.note(
            "with images transformers turns the two channels of a pair by different axes, as the "
            "spec says; Tencent's own code and vLLM rotate, by phasor.sections"
        )
        blocks = 1
    else:
        blocks = _BLOCKS
        frequencies = AxialSpec(
            rotary_dim=frequencies.rotary_dim, axes=blocks, base=frequencies.base
        )
    return UnevenRotarySpec(
        head_dim=spec.head_dim,
        frequencies=frequencies,
        scaling=spec.scaling,
        blocks=blocks,
        sections=None if sections is None else sections.sizes,
        layout=spec.layout,
    )


def _sections(
    own: Fields, fields: Fields, row: Architecture, frequencies: FrequencySpec
) -> SectionsSpec | None:
    if row.sections is None:
        return None
    width = frequencies.build().rotary_dim
    sizes = own.get("mrope_section")
    if sizes is None and row.sections_name is not None:
        sizes = fields.get(row.sections_name)
    if sizes is None:
        sizes = row.sections_default
    if sizes == "equal:2":
        pairs = width // 2
        sizes = (pairs - pairs // 2, pairs // 2)
    if sizes is None and row.uneven is not None:
        return None
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

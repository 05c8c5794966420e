"""Everything that a look at a model shows, as data."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasor._inspect.config_findings import config_findings
from phasor._inspect.finding import Finding
from phasor._inspect.rotation import Rotation, look_at_rotary, scaled_frequencies
from phasor._inspect.rounding import Rounding, rounding_at
from phasor._inspect.spec_findings import spec_findings
from phasor._inspect.words import layer_in_words
from phasor._kit.shown import Shown
from phasor.errors import ArgumentError
from phasor.spec import LayerSpec, PositionSpec, RotarySpec
from phasor.spec.layer_words import which_layers

if TYPE_CHECKING:
    from rich.console import RenderableType

_LONGEST = 2**31


@dataclass(frozen=True)
class LayerGroup:
    """Layers that do the same: their numbers, which those are in words, and what they do."""

    layers: tuple[int, ...]
    which: str
    words: str


@dataclass(frozen=True, repr=False)
class Inspection(Shown):
    """A spec, and what its numbers mean.

    Args:
        spec: What was looked at.
        length: The sequence it was looked at for, in tokens; `None` if none is known.
        groups: Of layers that do the same.
        rotations: One for each rotary encoding that differs.
        roundings: Errors of their angles at `length`, in the same order.
        travel: How far back, in tokens, the last layer can know of anything, where every layer
            has a window; else `None`.
        findings: Warnings, then notes.
        towers: The model's other stacks.
    """

    spec: PositionSpec
    length: int | None
    groups: tuple[LayerGroup, ...]
    rotations: tuple[Rotation, ...]
    roundings: tuple[Rounding | None, ...]
    travel: int | None
    findings: tuple[Finding, ...]
    towers: tuple["Inspection", ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For programs: numbers as numbers, infinite ones as `null`."""
        return {
            "spec": json.loads(self.spec.to_json()),
            "length": self.length,
            "layers": [dataclasses.asdict(group) for group in self.groups],
            "rotary": [
                _rotation_as_json(rotation, rounding)
                for rotation, rounding in zip(self.rotations, self.roundings, strict=True)
            ],
            "travel": self.travel,
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
            "towers": [tower.as_json() for tower in self.towers],
        }

    def _parts(self) -> "Iterator[RenderableType]":
        from phasor._inspect.terminal import parts

        return parts(self)

    def _page(self) -> str:
        from phasor._inspect.page import render_page

        return render_page(self)


def inspect(
    spec: PositionSpec,
    *,
    length: int | None = None,
    config: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Inspection:
    """Look at a spec.

    Args:
        spec: Of a model.
        length: The sequence to look at it for, in tokens; `None` for the longest it is meant for.
        config: What the spec was read from, if it was a config.
        notes: What its reader had to say.

    Raises:
        ArgumentError: `length` is not from 1 to 2^31.
    """
    if length is not None and not 1 <= length <= _LONGEST:
        raise ArgumentError(f"length must be from 1 to {_LONGEST} tokens, got {length}")
    if length is None and spec.max_seq_len is not None:
        length = min(spec.max_seq_len, _LONGEST)
    rotations = _rotations(spec, length)
    roundings = tuple(
        None
        if length is None
        else rounding_at(scaled_frequencies(rotation.rotary, length), rotation.length or length)
        for rotation in rotations
    )
    read = [Finding("note", "reader", note, ("phasor.read",)) for note in notes]
    found = [*spec_findings(spec, rotations, roundings), *config_findings(config or {}), *read]
    if any(finding.code == "theta-inside" for finding in found):
        # The same for every file of transformers 5; here it is known of this very one.
        found = [finding for finding in found if finding.code != "base-not-10000"]
    return Inspection(
        spec=spec,
        length=length,
        groups=_groups(spec),
        rotations=rotations,
        roundings=roundings,
        travel=_travel(spec),
        findings=tuple(sorted(found, key=lambda finding: finding.level == "note")),
        towers=tuple(inspect(tower) for tower in spec.towers),
    )


def _groups(spec: PositionSpec) -> tuple[LayerGroup, ...]:
    layers_of: dict[LayerSpec, list[int]] = {}
    for at, layer in enumerate(spec.layers):
        layers_of.setdefault(layer, []).append(at)
    return tuple(
        LayerGroup(
            layers=tuple(layers),
            which=which_layers(layers, len(spec.layers)),
            words=layer_in_words(layer, spec.embedding),
        )
        for layer, layers in layers_of.items()
    )


def _rotations(spec: PositionSpec, length: int | None) -> tuple[Rotation, ...]:
    layers_of: dict[tuple[RotarySpec, int | None, bool], list[int]] = {}
    for at, layer in enumerate(spec.layers):
        for encoding in layer.encodings:
            if isinstance(encoding, RotarySpec):
                layers_of.setdefault((encoding, _span(layer), False), []).append(at)
        if layer.indexer is not None:
            layers_of.setdefault((layer.indexer, _span(layer), True), []).append(at)
    return tuple(
        look_at_rotary(
            rotary,
            spec.layers[layers[0]],
            tuple(layers),
            max_seq_len=spec.max_seq_len,
            trained_seq_len=spec.trained_seq_len,
            length=length,
            of_indexer=of_indexer,
        )
        for (rotary, _, of_indexer), layers in layers_of.items()
    )


def _span(layer: LayerSpec) -> int | None:
    return min((span for span in (layer.window, layer.chunk) if span is not None), default=None)


def _travel(spec: PositionSpec) -> int | None:
    windows = [layer.window for layer in spec.layers]
    if not all(windows):
        return None
    return 1 + sum(window - 1 for window in windows if window)


def _rotation_as_json(rotation: Rotation, rounding: Rounding | None) -> dict[str, Any]:
    return {
        "layers": list(rotation.layers),
        "of_indexer": rotation.of_indexer,
        "trained_length": rotation.trained_length,
        "trained_from": rotation.trained_from,
        "length": rotation.length,
        "met": rotation.met,
        "reach": rotation.reach,
        "effective_length": rotation.effective_length,
        "attention_scale": rotation.attention_scale,
        "softmax_scale": rotation.softmax_scale,
        "standing_pairs": list(rotation.standing),
        "pairs_never_around": list(rotation.never_around),
        "pairs_meeting_unseen_angles": list(rotation.unseen),
        "pairs": [
            {
                name: None if isinstance(value, float) and math.isinf(value) else value
                for name, value in dataclasses.asdict(pair).items()
            }
            for pair in rotation.pairs
        ],
        "rounding": None if rounding is None else dataclasses.asdict(rounding),
    }

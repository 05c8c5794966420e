"""Frequencies of a checkpoint in place of those of its config, where the two differ."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from phasor._read.notes import Notes
from phasor._read.tensors import GAIN
from phasor.spec import ExplicitSpec, PositionSpec, RotarySpec

_TOLERANCE = 1e-2
"""Half precision rounds a frequency by up to 0.4 %."""


def with_stored(
    spec: PositionSpec, stored: dict[str, tuple[float, ...]], notes: Notes
) -> PositionSpec:
    """The spec with the frequencies that its checkpoint stores, if all layers turn alike.

    Stored frequencies that are those of the config, up to rounding, change nothing. Learned gains
    (Mistral Large 4) multiply them.
    """
    rotaries = {
        each for layer in spec.layers for each in layer.encodings if isinstance(each, RotarySpec)
    }
    gains = any(name.endswith(GAIN) for name in stored)
    distinct = set(stored.values())
    if not stored or not rotaries:
        return spec
    if len(rotaries) > 1 or len(distinct) > 1:
        notes.doubt(
            f"the checkpoint stores {len(distinct)} lists of frequencies for {len(rotaries)} kinds "
            "of layers; which belongs where is not known"
        )
        return spec
    (rotary,), (numbers,) = rotaries, distinct
    built = rotary.build()
    built = built.at(1) if built.length_scaling is not None else built
    expected = built.frequencies.inv_freq.sum(0)
    if len(numbers) != len(expected):
        raise notes.wrong(
            f"{next(iter(stored))} has {len(numbers)} frequencies, and the config {len(expected)}"
        )
    found = torch.tensor(numbers, dtype=torch.float64)
    if gains:
        found = expected * found.exp()
    elif torch.allclose(found, expected, rtol=_TOLERANCE, atol=0):
        return spec
    verb = "multiplies" if gains else "replaces"
    notes.note(f"{next(iter(stored))} in the checkpoint {verb} the frequencies of the config")
    return with_frequencies(spec, found.tolist(), built.frequencies.attention_scale)


def with_frequencies(
    spec: PositionSpec, numbers: Sequence[float], attention_scale: float
) -> PositionSpec:
    """The spec with these frequencies in all layers that turn, and in their indexers."""

    def learned(rotary: RotarySpec) -> RotarySpec:
        built = rotary.build()
        frequencies = (built.at(1) if built.length_scaling is not None else built).frequencies
        return replace(
            rotary,
            frequencies=ExplicitSpec(
                inv_freq=(tuple(numbers),),
                base=frequencies.base,
                attention_scale=attention_scale,
                softmax_scale=frequencies.softmax_scale,
            ),
            scaling=None,
        )

    return replace(
        spec,
        layers=tuple(
            replace(
                layer,
                encodings=tuple(
                    learned(each) if isinstance(each, RotarySpec) else each
                    for each in layer.encodings
                ),
                indexer=None if layer.indexer is None else learned(layer.indexer),
            )
            for layer in spec.layers
        ),
    )

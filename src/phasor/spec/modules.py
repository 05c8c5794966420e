"""The spec of modules that are built already."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from phasor._compose import Compose
from phasor._encoding_spec import EncodingSpec
from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings.rotary import RotarySpec
from phasor.encodings.t5 import T5BiasSpec
from phasor.encodings.uneven_rotary import UnevenRotarySpec
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.per_layer import PerLayer
from phasor.rotary import Frequencies
from phasor.rotary.rules import rule_of
from phasor.spec.position_spec import LayerSpec, PositionSpec


def spec_of(module: PositionEncoding | PerLayer) -> PositionSpec:
    """What an encoding, or the encodings of all layers, do.

    Args:
        module: An encoding of phasor's, a `Compose` of such, or a `PerLayer`.

    Raises:
        ArgumentTypeError: An encoding of the user's that has no options.
        ArgumentError: Some of the heads of an encoding, or two encodings at the embedding.
    """
    layers: Sequence[PositionEncoding] = list(module) if isinstance(module, PerLayer) else [module]
    first = module.embedding if isinstance(module, PerLayer) else None
    parts = [_parts(layer) for layer in layers]
    at_embedding = [] if first is None else _parts(first)
    at_embedding += [part for part in parts[0] if "embedding" in part.sites and first is None]
    embedding = [part for part in at_embedding if "embedding" in part.sites]
    if len(embedding) > 1:
        raise ArgumentError(f"a spec has one encoding at the embedding, got {len(embedding)}")
    return PositionSpec(
        model=type(module).__name__,
        layers=tuple(
            LayerSpec(
                encodings=tuple(
                    _spec(part, shared=_is_shared(part, parts))
                    for part in layer
                    if "embedding" not in part.sites
                )
            )
            for layer in parts
        ),
        embedding=_spec(embedding[0], shared=True) if embedding else None,
    )


def _parts(encoding: PositionEncoding) -> list[PositionEncoding]:
    if isinstance(encoding, Compose):
        return [part for each in encoding.encodings for part in _parts(each)]  # type: ignore[arg-type]
    return [] if isinstance(encoding, NoPE) else [encoding]


def _is_shared(part: PositionEncoding, layers: list[list[PositionEncoding]]) -> bool:
    return len(layers) == 1 or sum(each is part for layer in layers for each in layer) > 1


def _spec(encoding: PositionEncoding, *, shared: bool) -> EncodingSpec[Any]:
    options = encoding.options
    if options is None:
        raise ArgumentTypeError(
            f"{type(encoding).__name__} has no options that a spec could state; its constructor "
            "would be made by phasor.constructed_from, as those of phasor's encodings are"
        )
    if encoding.is_part:
        raise ArgumentError(
            f"{encoding.in_words} is a part of an encoding, which a spec cannot state; pass the "
            "encoding of all heads"
        )
    if isinstance(options, T5BiasSpec):
        return replace(options, shared=shared)
    if isinstance(options, RotarySpec | UnevenRotarySpec):
        rule = options.frequencies
        rule = rule_of(rule) if isinstance(rule, Frequencies) else rule
        return replace(options, frequencies=rule, precision="exact")
    return options

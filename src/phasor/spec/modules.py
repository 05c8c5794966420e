"""The spec of modules that are built already."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from phasor._compose import Compose
from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings import Learned, Rotary, Sinusoidal, T5Bias
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.per_layer import PerLayer
from phasor.rotary import Frequencies, geometric
from phasor.spec.frequencies import ExplicitSpec, FrequencySpec, GeometricSpec
from phasor.spec.kinds import KINDS
from phasor.spec.position_spec import LayerSpec, PositionSpec
from phasor.spec.uneven import UnevenRotarySpec

_SPEC_OF = {
    module: kind
    for kind in KINDS.values()
    if hasattr(kind, "build") and kind is not UnevenRotarySpec  # which has a rule, not a table
    if issubclass(module := kind.build.__annotations__["return"], PositionEncoding)
}


def spec_of(module: PositionEncoding | PerLayer) -> PositionSpec:
    """What an encoding, or the encodings of all layers, do.

    Args:
        module: An encoding of phasor's that has a spec, a `Compose` of such, or a `PerLayer`.

    Raises:
        ArgumentTypeError: An encoding without a spec.
        ArgumentError: A `Sinusoidal` with `rms` or of several axes.
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


def _spec(encoding: PositionEncoding, *, shared: bool) -> Any:
    kind = _SPEC_OF.get(type(encoding))
    if kind is None:
        raise ArgumentTypeError(
            f"{type(encoding).__name__} has no spec; there are those of "
            f"{', '.join(sorted(module.__name__ for module in _SPEC_OF))}"
        )
    known: dict[str, Any] = {}
    match encoding:
        case Rotary():
            known = _rotary(encoding)
        case T5Bias():
            known = {"shared": shared}
        case Learned():
            known = {"dim": encoding.weight.shape[1]}
        case Sinusoidal():
            if encoding.axes != 1 or encoding.gain != 1:
                raise ArgumentError("a spec has no Sinusoidal of several axes or with rms")
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in known:
            owner = encoding if hasattr(encoding, field.name) else encoding.frequencies
            known[field.name] = getattr(owner, field.name)
    return kind(**known)


def _rotary(encoding: Rotary) -> dict[str, Any]:
    own = encoding.scaling is None and encoding.scaled_by is not None  # a function of the user's
    return {
        "frequencies": _rule(encoding.frequencies if own else encoding.unscaled),
        "scaling": encoding.scaling,
        "sections": None,
    }


def _rule(frequencies: Frequencies) -> FrequencySpec:
    base = frequencies.base
    if base is not None and frequencies == geometric(frequencies.rotary_dim, base):
        return GeometricSpec(rotary_dim=frequencies.rotary_dim, base=base)
    return ExplicitSpec(
        inv_freq=tuple(map(tuple, frequencies.inv_freq.tolist())),
        base=frequencies.base,
        attention_scale=frequencies.attention_scale,
        softmax_scale=frequencies.softmax_scale,
    )

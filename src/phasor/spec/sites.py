"""Which specs of encodings may stand where."""

from phasor.spec.encodings import (
    ALiBiSpec,
    LearnedSpec,
    QueryTemperatureSpec,
    RotarySpec,
    SinusoidalSpec,
    SSMaxSpec,
    T5BiasSpec,
)
from phasor.spec.relative import RelativeSpec, ScoreTemperatureSpec
from phasor.spec.uneven import UnevenRotarySpec

EmbeddingSpec = LearnedSpec | SinusoidalSpec
"""An encoding that enters at the embedding."""

LayerEncodingSpec = (
    RotarySpec
    | UnevenRotarySpec
    | QueryTemperatureSpec
    | SSMaxSpec
    | ALiBiSpec
    | T5BiasSpec
    | RelativeSpec
    | ScoreTemperatureSpec
)
"""An encoding that enters in each layer, at query and key or at the score."""


def is_of_its_layer(spec: LayerEncodingSpec) -> bool:
    """Whether the module holds what its layer alone learned, so that no other may share it."""
    if isinstance(spec, T5BiasSpec):
        return not spec.shared
    return isinstance(spec, SSMaxSpec | RelativeSpec)

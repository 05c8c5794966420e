"""Which specs of encodings may stand where."""

from phasor.spec.encodings import (
    ALiBiSpec,
    LearnedSpec,
    QueryTemperatureSpec,
    RotarySpec,
    SinusoidalSpec,
    T5BiasSpec,
)
from phasor.spec.uneven import UnevenRotarySpec

EmbeddingSpec = LearnedSpec | SinusoidalSpec
"""An encoding that enters at the embedding."""

LayerEncodingSpec = RotarySpec | UnevenRotarySpec | QueryTemperatureSpec | ALiBiSpec | T5BiasSpec
"""An encoding that enters in each layer, at query and key or at the score."""

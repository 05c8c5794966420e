"""The names that JSON and sentences use for the parts of a spec."""

from phasor.rotary.scaling import BY_NAME
from phasor.spec.encodings import (
    ALiBiSpec,
    LearnedSpec,
    QueryTemperatureSpec,
    RotarySpec,
    SinusoidalSpec,
    SSMaxSpec,
    T5BiasSpec,
)
from phasor.spec.frequencies import (
    AxialSpec,
    ExplicitSpec,
    GeometricSpec,
    ImagePeriodsSpec,
    ProportionalSpec,
)
from phasor.spec.relative import (
    DeBERTaSpec,
    RelativeLogitsSpec,
    ScoreTemperatureSpec,
    ShawSpec,
    TransformerXLSpec,
)
from phasor.spec.uneven import UnevenRotarySpec

KINDS: dict[str, type] = {
    "rotary": RotarySpec,
    "uneven_rotary": UnevenRotarySpec,
    "query_temperature": QueryTemperatureSpec,
    "ssmax": SSMaxSpec,
    "alibi": ALiBiSpec,
    "t5": T5BiasSpec,
    "shaw": ShawSpec,
    "transformer_xl": TransformerXLSpec,
    "deberta": DeBERTaSpec,
    "relative_logits": RelativeLogitsSpec,
    "score_temperature": ScoreTemperatureSpec,
    "learned": LearnedSpec,
    "sinusoidal": SinusoidalSpec,
    "geometric": GeometricSpec,
    "proportional": ProportionalSpec,
    "axial": AxialSpec,
    "image_periods": ImagePeriodsSpec,
    "explicit": ExplicitSpec,
    **BY_NAME,
}
"""Parts of which a field may hold one or another."""

NAMES: dict[type, str] = {kind: name for name, kind in KINDS.items()}

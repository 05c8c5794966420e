"""The names that JSON and sentences use for the parts of a spec."""

from typing import Any

from phasor import encodings
from phasor._encoding_spec import EncodingSpec
from phasor.rotary.rules import (
    AxialSpec,
    ExplicitSpec,
    GeometricSpec,
    ImagePeriodsSpec,
    ProportionalSpec,
    Rule,
)
from phasor.rotary.scaling import BY_NAME, Scaling

ENCODINGS: dict[str, type[Any]] = {
    encoding.spelling: encoding.Options
    for encoding in (getattr(encodings, name) for name in encodings.MODULES)
}
"""By the name of the encoding: what its constructor takes."""

RULES: dict[str, type[Any]] = {
    "geometric": GeometricSpec,
    "proportional": ProportionalSpec,
    "axial": AxialSpec,
    "image_periods": ImagePeriodsSpec,
    "explicit": ExplicitSpec,
}

PARTS: dict[Any, dict[str, type[Any]]] = {EncodingSpec: ENCODINGS, Rule: RULES, Scaling: BY_NAME}
"""Of a field of that type: what may stand there, by name."""

NAMES: dict[type, str] = {kind: name for known in PARTS.values() for name, kind in known.items()}

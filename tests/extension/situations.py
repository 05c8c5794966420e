"""Situations without a model."""

import phasor
from phasor._extend.methods import Situation
from phasor.rotary.scaling import LengthScaling, Scaling


def situation(
    *,
    rotary_dim: int = 16,
    base: float = 10_000.0,
    trained: int = 64,
    target: int = 256,
    scaling: Scaling | LengthScaling | None = None,
    **parameters: object,
) -> Situation:
    """What a config of a model with `base` would give."""
    return Situation(
        frequencies=phasor.geometric(rotary_dim, base),
        scaling=scaling,
        rope_parameters={"rope_type": "default", "rope_theta": base, **parameters},
        trained_length=trained,
        target_length=target,
    )

"""The layer that most models have, in one line."""

from phasor.rotary.layout import Layout
from phasor.rotary.rules import GeometricSpec
from phasor.rotary.scaling import LengthScaling, Scaling
from phasor.spec import RotarySpec
from phasor.spec.position_spec import LayerSpec


def rotary_layer(
    head_dim: int,
    *,
    base: float = 10_000.0,
    rotary_dim: int | None = None,
    layout: Layout = "half",
    scaling: Scaling | LengthScaling | None = None,
    window: int | None = None,
) -> LayerSpec:
    """A layer with one geometric rotary encoding.

    Args:
        head_dim: Channels of each head.
        base: Called `rope_theta` in configs.
        rotary_dim: Leading channels that turn; all of them if `None`.
        layout: Which channels form a pair.
        scaling: How the context was extended.
        window: Tokens that a query sees, itself among them.
    """
    turning = head_dim if rotary_dim is None else rotary_dim
    frequencies = GeometricSpec(rotary_dim=turning, base=base)
    rotary = RotarySpec(head_dim=head_dim, frequencies=frequencies, scaling=scaling, layout=layout)
    return LayerSpec(encodings=(rotary,), window=window)

"""What all targets ask of a spec: one stack whose layers turn, or do not."""

from typing import TYPE_CHECKING

from phasor.errors import ArgumentError
from phasor.rotary.rules import GeometricSpec
from phasor.rotary.scaling import YaRN
from phasor.rotary.scaling.yarn_ramp import mscale_gain
from phasor.spec import RotarySpec
from phasor.spec.kinds import NAMES
from phasor.spec.layer_words import which_layers

if TYPE_CHECKING:
    from phasor.spec.position_spec import LayerSpec, PositionSpec

Turning = dict["LayerSpec", RotarySpec | None]


def refused(spec: "PositionSpec", target: str, what: str) -> ArgumentError:
    """The error for what a target cannot do."""
    return ArgumentError(f"{target} cannot do what {spec.model} does: {what}")


def turning(spec: "PositionSpec", target: str) -> Turning:
    """The rotation of each distinct layer, or `None`.

    Raises:
        ArgumentError: Another encoding, several stacks, or no rotation at all.
    """
    if spec.towers:
        names = ", ".join(tower.model for tower in spec.towers)
        raise refused(
            spec, target, f"it is several stacks, {names} among them; write each by itself"
        )
    if spec.embedding is not None:
        raise refused(spec, target, f"{NAMES[type(spec.embedding)]} at the embedding")
    found: Turning = {}
    for layer in dict.fromkeys(spec.layers):
        match layer.encodings:
            case ():
                found[layer] = None
            case (RotarySpec() as rotary,):
                found[layer] = rotary
            case others:
                at = [at for at, each in enumerate(spec.layers) if each == layer]
                names = " and ".join(NAMES[type(each)] for each in others)
                which = which_layers(at, len(spec.layers))
                raise refused(spec, target, f"{names} ({which})")
    if not any(found.values()):
        raise refused(spec, target, "no layer turns")
    return found


def geometric_of(rotary: RotarySpec, spec: "PositionSpec", target: str) -> GeometricSpec:
    """The rule of the frequencies, where it is one base."""
    if not isinstance(rotary.frequencies, GeometricSpec):
        raise refused(spec, target, f"{NAMES[type(rotary.frequencies)]} frequencies")
    return rotary.frequencies


def yarn_gain(rotary: RotarySpec) -> tuple[float, float]:
    """The gain of a YaRN on cos and sin, and the one it would have by its factor alone."""
    scaling = rotary.scaling
    assert isinstance(scaling, YaRN)
    return scaling(rotary.frequencies.build()).attention_scale, mscale_gain(scaling.factor)

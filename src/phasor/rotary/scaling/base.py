"""What all scalings share: their type, and the checks of their numbers."""

import math
from typing import Protocol, runtime_checkable

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies


class Scaling(Protocol):
    """Frequencies in, frequencies out; the same for every length."""

    def __call__(self, frequencies: Frequencies) -> Frequencies: ...


@runtime_checkable
class LengthScaling(Protocol):
    """A scaling that is settled only when the length of the sequence is known.

    Keys that were rotated for one length do not fit queries rotated for another: see
    `phasor.rerotate`.
    """

    def at(self, seq_len: int) -> Scaling:
        """The scaling for sequences of up to `seq_len` tokens."""
        ...


def check_one_axis(name: str, frequencies: Frequencies) -> None:
    """Raise unless `frequencies` are of one axis, as `name` needs them."""
    if frequencies.axes != 1:
        raise ArgumentError(
            f"{name} is defined for one axis of positions, got frequencies with "
            f"{frequencies.axes}; scale them before sections(...) gives them to axes"
        )


def check_at_least_one(name: str, value: float) -> None:
    """Raise unless `value` is a finite number from 1 on."""
    if not 1 <= value < math.inf:
        raise ArgumentError(f"{name} must be at least 1, got {value}")

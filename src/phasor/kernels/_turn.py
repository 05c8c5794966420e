"""What a rotation is beside its tensors: one list of arguments for every kernel and its judge."""

from typing import NamedTuple

from phasor.rotary.layout import Layout


class Turn(NamedTuple):
    """Which channels turn, which way and by what factor; operators take the four fields one by one.

    Args:
        interleaved: Whether channels 2i and 2i + 1 form a pair, instead of i and i + pairs.
        start: First channel that turns.
        sign: 1 to turn, -1 to turn back.
        gain: Factor on the channels that turn.
    """

    interleaved: bool
    start: int
    sign: int = 1
    gain: float = 1.0

    @property
    def layout(self) -> Layout:
        """Which channels form a pair, in words."""
        return "interleaved" if self.interleaved else "half"

    def back(self) -> "Turn":
        """The other way, by the same factor."""
        return Turn(self.interleaved, self.start, -self.sign, self.gain)

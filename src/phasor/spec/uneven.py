"""Rotary code gone astray, as a spec states it."""

from dataclasses import dataclass

from phasor.encodings import UnevenRotary
from phasor.errors import ArgumentError
from phasor.rotary import Precision, doubled_sections, tiled
from phasor.rotary.layout import Layout
from phasor.rotary.scaling import LengthScaling, Scaling
from phasor.spec.frequencies import FrequencySpec
from phasor.spec.sizes import check_channels, within_float64


@dataclass(frozen=True, kw_only=True)
class UnevenRotarySpec:
    """`phasor.UnevenRotary`: no rotation, since the two channels of a pair turn differently.

    Args:
        head_dim: Channels of each query and key head.
        frequencies: The rule, one number for each pair, from which those of the channels follow.
        scaling: As in `RotarySpec`; none that depends on the length.
        blocks: Equal parts of the frequencies that the table holds twice in a row (V-JEPA 2: 3).
        sections: Half the channels of each axis, where axes share out the table (HunYuan-VL).
        layout: Which channels form a pair.

    Raises:
        ArgumentError: What `phasor.UnevenRotary` refuses, blocks beside sections, or a scaling that
            depends on the length.
    """

    head_dim: int
    frequencies: FrequencySpec
    scaling: Scaling | LengthScaling | None = None
    blocks: int = 1
    sections: tuple[int, ...] | None = None
    layout: Layout

    def __post_init__(self) -> None:
        if self.sections is not None and self.blocks != 1:
            raise ArgumentError(
                f"sections share out a table of one block, got blocks={self.blocks} as well"
            )
        if isinstance(self.scaling, LengthScaling):
            raise ArgumentError(
                f"frequencies of channels that depend on the length have no rule, got scaling "
                f"{self.scaling}; settle it with .at(seq_len)"
            )
        check_channels(head_dim=self.head_dim)
        with within_float64():
            self.build()

    def build(self, *, precision: Precision = "exact") -> UnevenRotary:
        """The module; see `phasor.cos_sin` for `precision`."""
        frequencies = self.frequencies.build()
        if self.scaling is not None:
            assert not isinstance(self.scaling, LengthScaling)
            frequencies = self.scaling(frequencies)
        if self.sections is not None:
            frequencies = doubled_sections(frequencies, self.sections)
        else:
            frequencies = tiled(frequencies, blocks=self.blocks)
        return UnevenRotary(
            self.head_dim, frequencies=frequencies, layout=self.layout, precision=precision
        )

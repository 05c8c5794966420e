"""Frequencies as a spec states them: the rule and its numbers, from which the matrix follows."""

from dataclasses import dataclass

import torch

from phasor.errors import ArgumentError
from phasor.rotary import (
    Frequencies,
    axial,
    geometric,
    image_periods,
    proportional,
    sections,
)
from phasor.rotary.axes import SectionOrder
from phasor.rotary.scaling import Scaling
from phasor._sizes import check_channels, check_matrix


@dataclass(frozen=True, kw_only=True)
class GeometricSpec:
    """`phasor.geometric`: text, and the frequencies that sections are cut from.

    Args:
        rotary_dim: Channels that turn.
        base: Called `rope_theta` in configs.
    """

    rotary_dim: int
    base: float = 10_000.0

    def __post_init__(self) -> None:
        check_channels(rotary_dim=self.rotary_dim)

    def build(self) -> Frequencies:
        """The frequencies."""
        return geometric(self.rotary_dim, self.base)


@dataclass(frozen=True, kw_only=True)
class ProportionalSpec:
    """`phasor.proportional`: only the fastest pairs turn, with exponents over the whole head.

    Args:
        head_dim: Channels of each head.
        proportion: Of the pairs, that turn.
        base: Called `rope_theta` in configs.
        factor: By which all turn slower.
    """

    head_dim: int
    proportion: float
    base: float = 10_000.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        check_channels(head_dim=self.head_dim)

    def build(self) -> Frequencies:
        """The frequencies."""
        return proportional(self.head_dim, self.proportion, self.base, factor=self.factor)


@dataclass(frozen=True, kw_only=True)
class AxialSpec:
    """`phasor.axial`: a block of pairs for each axis.

    Args:
        rotary_dim: Channels that turn, of all axes.
        axes: Number of position axes.
        base: Called `rope_theta` in configs.
        divided: Whether the axes share out one progression (Pixtral).
    """

    rotary_dim: int
    axes: int = 2
    base: float = 10_000.0
    divided: bool = False

    def __post_init__(self) -> None:
        check_matrix(self.axes, self.rotary_dim // 2)

    def build(self) -> Frequencies:
        """The frequencies."""
        return axial(self.rotary_dim, self.axes, self.base, divided=self.divided)


@dataclass(frozen=True, kw_only=True)
class ImagePeriodsSpec:
    """`phasor.image_periods`: DINOv3's, over coordinates from -1 to 1.

    Args:
        rotary_dim: Channels that turn.
        base: The longest period over the shortest.
    """

    rotary_dim: int
    base: float = 100.0

    def __post_init__(self) -> None:
        check_channels(rotary_dim=self.rotary_dim)

    def build(self) -> Frequencies:
        """The frequencies."""
        return image_periods(self.rotary_dim, self.base)


@dataclass(frozen=True, kw_only=True)
class ExplicitSpec:
    """Numbers that follow no rule: learned, or stored in a checkpoint.

    Args:
        inv_freq: `[axes, pairs]`, radians per unit of position.
        base: Where there is one.
        attention_scale: Gain on cos and sin.
        softmax_scale: Gain on the attention logits.
    """

    inv_freq: tuple[tuple[float, ...], ...]
    base: float | None = None
    attention_scale: float = 1.0
    softmax_scale: float = 1.0

    def __post_init__(self) -> None:
        check_matrix(len(self.inv_freq), max(map(len, self.inv_freq), default=0))

    def build(self) -> Frequencies:
        """The frequencies."""
        if len({len(row) for row in self.inv_freq}) > 1:
            raise ArgumentError(
                "inv_freq must have as many pairs for each axis, got "
                f"{[len(row) for row in self.inv_freq]}"
            )
        matrix = torch.tensor(self.inv_freq, dtype=torch.float64, device="cpu")
        return Frequencies(matrix, self.base, self.attention_scale, self.softmax_scale)


FrequencySpec = GeometricSpec | ProportionalSpec | AxialSpec | ImagePeriodsSpec | ExplicitSpec
"""A rule for frequencies."""


@dataclass(frozen=True, kw_only=True)
class SectionsSpec:
    """`phasor.sections`: which pair turns with which axis, after any scaling.

    Args:
        sizes: Pairs of each axis.
        order: Which pairs those are.
    """

    sizes: tuple[int, ...]
    order: SectionOrder = "chunked"

    def after(self, scaling: Scaling | None) -> Scaling:
        """The scaling, then the sections."""

        def scaled_sections(frequencies: Frequencies) -> Frequencies:
            check_matrix(len(self.sizes), frequencies.pairs)
            frequencies = frequencies if scaling is None else scaling(frequencies)
            return sections(frequencies, self.sizes, order=self.order)

        return scaled_sections

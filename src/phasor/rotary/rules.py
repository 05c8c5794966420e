"""Frequencies by their rule and its numbers, from which the matrix follows."""

from dataclasses import dataclass
from typing import Protocol

import torch

from phasor._kinds import check_kinds
from phasor._sizes import check_channels, check_matrix
from phasor._words import base_in_words, number, own_in_words
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


class Rule(Protocol):
    """What frequencies follow from: a rule by name, or `Frequencies` themselves."""

    @property
    def base(self) -> float | None:
        """Of the progression, where there is one."""
        ...

    def build(self) -> Frequencies:
        """The frequencies."""
        ...

    def in_words(self) -> str:
        """With every number that matters."""
        ...


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
        check_kinds(self)
        check_channels(rotary_dim=self.rotary_dim)

    def build(self) -> Frequencies:
        """The frequencies."""
        return geometric(self.rotary_dim, self.base)

    def in_words(self) -> str:
        return base_in_words(self.base)


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
        check_kinds(self)
        check_channels(head_dim=self.head_dim)

    def build(self) -> Frequencies:
        """The frequencies."""
        return proportional(self.head_dim, self.proportion, self.base, factor=self.factor)

    def in_words(self) -> str:
        slower = f", {number(self.factor)} times slower" if self.factor != 1 else ""
        return (
            f"{base_in_words(self.base)} over the whole head, of which the fastest "
            f"{number(100 * self.proportion)} % turn{slower}"
        )


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
        check_kinds(self)
        check_matrix(self.axes, self.rotary_dim // 2)

    def build(self) -> Frequencies:
        """The frequencies."""
        return axial(self.rotary_dim, self.axes, self.base, divided=self.divided)

    def in_words(self) -> str:
        return f"{base_in_words(self.base)}, {self.axes} axes" + ", divided" * self.divided


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
        check_kinds(self)
        check_channels(rotary_dim=self.rotary_dim)

    def build(self) -> Frequencies:
        """The frequencies."""
        return image_periods(self.rotary_dim, self.base)

    def in_words(self) -> str:
        return f"image periods up to {number(self.base)} times the shortest"


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
        check_kinds(self)
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

    def in_words(self) -> str:
        return own_in_words(self.attention_scale)


FrequencySpec = GeometricSpec | ProportionalSpec | AxialSpec | ImagePeriodsSpec | ExplicitSpec
"""A rule for frequencies that has a name."""


def rule_of(frequencies: Frequencies) -> GeometricSpec | ExplicitSpec:
    """The rule of a usual progression; of all others, their numbers."""
    base = frequencies.base
    if base is not None and frequencies == geometric(frequencies.rotary_dim, base):
        return GeometricSpec(rotary_dim=frequencies.rotary_dim, base=base)
    return ExplicitSpec(
        inv_freq=tuple(map(tuple, frequencies.inv_freq.tolist())),
        base=base,
        attention_scale=frequencies.attention_scale,
        softmax_scale=frequencies.softmax_scale,
    )


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

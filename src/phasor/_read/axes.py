"""Rotation by row and column of an image, as vision towers have it."""

from collections.abc import Callable

from torch import Tensor

from phasor.rotary.layout import Layout
from phasor.rotary.rules import FrequencySpec, ImagePeriodsSpec
from phasor.spec import AxialSpec, ExplicitSpec, GeometricSpec, RotarySpec, SectionsSpec


def image_rotary(
    rule: str, head_dim: int, base: float, *, layout: Layout
) -> tuple[RotarySpec, ...]:
    """What turns a head by row and column; positions are always in that order.

    Args:
        rule: Which pairs turn with which axis.

            - `"axial"`: rows turn the first half of the pairs, columns the second (Qwen2-VL).
            - `"columns_first"`: the other way round.
            - `"alternating"`: pairs of one frequency are neighbours, that of the column first.
            - `"divided"`: as axial; the axes share out one progression (Pixtral).
            - `"video"`: frames, rows and columns, as much as three axes can share evenly.
            - `"periods"`: as axial, over coordinates from -1 to 1 (DINOv3).
            - `"halves"`: each half of the head is a head of its own, the first for columns
              (Gemma 4).
        head_dim: Channels of a head.
        base: Called `rope_theta` in configs.
        layout: Which channels form a pair.
    """
    if rule == "halves":
        half = GeometricSpec(rotary_dim=head_dim // 2, base=base)
        pairs = head_dim // 4
        return (
            RotarySpec(
                head_dim=head_dim,
                frequencies=half,
                sections=SectionsSpec(sizes=(0, pairs)),
                layout=layout,
            ),
            RotarySpec(
                head_dim=head_dim,
                frequencies=half,
                sections=SectionsSpec(sizes=(pairs, 0)),
                layout=layout,
                rotary_slice="trailing",
            ),
        )
    return (RotarySpec(head_dim=head_dim, frequencies=_RULES[rule](head_dim, base), layout=layout),)


def _axial(head_dim: int, base: float) -> FrequencySpec:
    return AxialSpec(rotary_dim=head_dim, base=base)


def _divided(head_dim: int, base: float) -> FrequencySpec:
    return AxialSpec(rotary_dim=head_dim, base=base, divided=True)


def _video(head_dim: int, base: float) -> FrequencySpec:
    return AxialSpec(rotary_dim=6 * (head_dim // 6), axes=3, base=base)


def _periods(head_dim: int, base: float) -> FrequencySpec:
    return ImagePeriodsSpec(rotary_dim=head_dim, base=base)


def _columns_first(head_dim: int, base: float) -> FrequencySpec:
    return _explicit(_axial(head_dim, base).build().inv_freq.flip(0), base)


def _alternating(head_dim: int, base: float) -> FrequencySpec:
    blocks = _axial(head_dim, base).build().inv_freq.flip(0).unflatten(1, (2, -1))
    return _explicit(blocks.transpose(1, 2).flatten(1), base)


def _explicit(inv_freq: Tensor, base: float) -> FrequencySpec:
    return ExplicitSpec(inv_freq=tuple(map(tuple, inv_freq.tolist())), base=base)


_RULES: dict[str, Callable[[int, float], FrequencySpec]] = {
    "axial": _axial,
    "columns_first": _columns_first,
    "alternating": _alternating,
    "divided": _divided,
    "video": _video,
    "periods": _periods,
}

"""Frequencies for positions with several axes, and for heads of which a part stands still."""

import math
from typing import Literal, get_args

import torch

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions.checks import check_count
from phasor.rotary.frequencies import Frequencies, geometric

SectionOrder = Literal["chunked", "interleaved", "ernie", "openpangu"]
ORDERS: tuple[SectionOrder, ...] = get_args(SectionOrder)
BandSpacing = Literal["linear", "log"]


_UNEQUAL = (
    "for axes with unequal shares put blocks together: "
    "Frequencies(torch.block_diag(*[geometric(size).inv_freq for size in sizes]))"
)


def axial(
    rotary_dim: int, axes: int = 2, base: float = 10_000.0, *, divided: bool = False
) -> Frequencies:
    r"""Each axis turns a block of pairs of its own.

    With $d$ channels and $A$ axes, each block has $\omega_p = b^{-2pA/d}$, $p < d/2A$: all blocks
    turn at the same frequencies. If `divided`, block $a$ has $\omega_p = b^{-2(pA + a)/d}$: the
    axes share out one progression, so no two pairs turn alike.

    Args:
        rotary_dim: Channels that take part in all; a multiple of `2 * axes`.
        axes: Number of position axes: 2 for images, 3 for video.
        base: As in `geometric`.
        divided: Share out one progression, as Pixtral does, instead of repeating it.

    Returns:
        `Frequencies` with `axes` axes and `rotary_dim / 2` pairs, the blocks one after the other.

    Raises:
        ArgumentError: `rotary_dim` cannot be shared evenly, or `base` is not positive.
        ArgumentTypeError: `axes` is no whole number.

    Source:
        Qwen2-VL's vision tower, arXiv:2409.12191; Pixtral, arXiv:2410.07073, and its code
        (`divided`).

    Examples:
        >>> phasor.axial(8, base=100.0).inv_freq.tolist()
        [[1.0, 0.1, 0.0, 0.0], [0.0, 0.0, 1.0, 0.1]]
        >>> phasor.axial(8, base=10_000.0, divided=True).inv_freq.tolist()
        [[1.0, 0.01, 0.0, 0.0], [0.0, 0.0, 0.1, 0.001]]
    """
    check_count("axes", axes, at_least=1, advice=_UNEQUAL)
    if rotary_dim < 2 * axes or rotary_dim % (2 * axes):
        raise ArgumentError(
            f"rotary_dim must be a multiple of 2 * axes = {2 * axes}, so that each axis gets whole "
            f"pairs, got {rotary_dim}"
        )
    if divided:
        whole = geometric(rotary_dim, base).inv_freq
        blocks = [whole[:, axis::axes] for axis in range(axes)]
    else:
        blocks = [geometric(rotary_dim // axes, base).inv_freq] * axes
    return Frequencies(torch.block_diag(*blocks), float(base))


def sections(
    frequencies: Frequencies, sizes: tuple[int, ...], *, order: SectionOrder = "chunked"
) -> Frequencies:
    r"""Give each pair of one-axis frequencies to one of several axes (M-RoPE).

    Args:
        frequencies: One axis; scaled already, where the model scales them.
        sizes: Pairs of each axis, in the order of the axes (time, height, width); they add up to
            `frequencies.pairs`.
        order: Which pairs an axis gets.

            - `"chunked"`: a run of neighbours each, fastest to the first axis (Qwen2-VL; with four
              axes HunYuan-VL's XD-RoPE).
            - `"interleaved"`: the axes take turns, one pair each, from the fastest on; what is left
              at the slow end goes to the first axis (Qwen3-VL; with two axes NeoMME).
            - `"ernie"`: height and width alternate from the fastest on, time gets the slow end
              (Ernie 4.5 VL, whose configs list the sizes as height, width, time; also VideoRoPE).
            - `"openpangu"`: each pair in turn to the axis that has the smallest share of its size
              so far and not the pair before, if another has any left; the slowest pair to time
              (openPangu-VL).

    Returns:
        `Frequencies` with one axis per size, the same pairs and gains.

    Raises:
        ArgumentError: Frequencies of several axes, sizes that are negative, do not add up or do
            not suit the order, or an unknown order.
        ArgumentTypeError: A size that is no whole number.

    Source:
        Wang et al. 2024, arXiv:2409.12191, section 2.1 (`"chunked"`); Huang et al. 2025,
        arXiv:2510.23095 (`"interleaved"`); transformers' `ernie4_5_vl_moe` and Wei et al. 2025,
        arXiv:2502.05173 (`"ernie"`); vLLM's `openpangu_rope` (`"openpangu"`). XD-RoPE is chunked in
        Tencent's own code and in vLLM; transformers 5.23 turns the two channels of a pair by
        different axes, which is no rotation: `phasor.UnevenRotary` with `doubled_sections`.

    Examples:
        >>> phasor.sections(phasor.geometric(8), (2, 1, 1)).inv_freq.tolist()
        [[1.0, 0.1, 0.0, 0.0], [0.0, 0.0, 0.01, 0.0], [0.0, 0.0, 0.0, 0.001]]
    """
    if frequencies.axes != 1:
        raise ArgumentError(
            f"sections divides frequencies of one axis, got {frequencies.axes} axes"
        )
    check_shares(sizes, frequencies.pairs)
    axis = torch.tensor(axis_of_each_pair(sizes, order), device="cpu")
    owns = axis == torch.arange(len(sizes), device="cpu")[:, None]
    return frequencies.with_inv_freq(torch.where(owns, frequencies.inv_freq, 0.0))


def check_shares(sizes: tuple[int, ...], pairs: int) -> None:
    """Raise unless `sizes` are whole numbers, none negative, that add up to `pairs`."""
    if not isinstance(sizes, tuple | list):
        raise ArgumentTypeError(
            f"sizes must be a tuple, the pairs of each axis, got {sizes!r}; pass (16, 24, 24) say"
        )
    for axis, size in enumerate(sizes):
        advice = f"sizes {tuple(sizes)} must say how many of the {pairs} pairs each axis gets"
        check_count(f"the size of axis {axis}", size, at_least=0, advice=advice)
    if sum(sizes) != pairs:
        raise ArgumentError(
            f"sizes must add up to the {pairs} pairs of the frequencies, got {list(sizes)}, which "
            f"add up to {sum(sizes)}"
        )


def proportional(
    head_dim: int, proportion: float, base: float = 10_000.0, *, factor: float = 1.0
) -> Frequencies:
    r"""The fastest pairs of the whole head turn, the rest stand still (p-RoPE).

    $\omega_p = b^{-2p/d} / s$ for $p < \lfloor r d / 2 \rfloor$, else 0, where $d$ is the whole
    head.
    Not partial rotary: that takes exponents over the channels that turn, and pairs within them.

    Args:
        head_dim: $d$, even.
        proportion: $r$, of the pairs that turn, 0 to 1.
        base: $b$.
        factor: $s \ge 1$, by which all turn slower.

    Returns:
        `Frequencies` with one axis and `head_dim / 2` pairs, of which the last are 0.

    Raises:
        ArgumentError: `head_dim` odd, `proportion` not from 0 to 1, `factor` less than 1.

    Source:
        Barbero et al. 2024, arXiv:2410.06205; Gemma 4's global layers, with 0.25 and base 1e6.

    Examples:
        >>> phasor.proportional(8, 0.5).inv_freq.tolist()
        [[1.0, 0.1, 0.0, 0.0]]
    """
    if not 0 <= proportion <= 1:
        raise ArgumentError(f"proportion must be from 0 to 1, got {proportion}")
    if not 1 <= factor < math.inf:
        raise ArgumentError(f"factor must be at least 1, got {factor}")
    whole = geometric(head_dim, base)
    turning = int(proportion * head_dim // 2)
    inv_freq = whole.inv_freq / factor
    inv_freq[:, turning:] = 0.0
    return whole.with_inv_freq(inv_freq)


def image_periods(rotary_dim: int, base: float = 100.0) -> Frequencies:
    r"""Two axes, each with geometric periods over coordinates from -1 to 1 (DINOv3).

    $\omega_p = 2\pi\,b^{-4p/d}$ per unit of coordinate, $p < d/4$.

    Args:
        rotary_dim: $d$, a multiple of 4.
        base: $b$, the longest period over the shortest.

    Returns:
        `Frequencies` with two axes (height, width) and `rotary_dim / 2` pairs. Their positions are
        coordinates of patch centres, floats from -1 to 1.

    Raises:
        ArgumentError: `rotary_dim` is not a multiple of 4, or `base` not positive.

    Source:
        Siméoni et al. 2025, arXiv:2508.10104, and the authors' code.
    """
    unit = axial(rotary_dim, 2, base)
    return unit.with_inv_freq(2 * math.pi * unit.inv_freq)


def pixel(
    rotary_dim: int, axes: int = 2, max_freq: float = 10.0, *, spacing: BandSpacing = "linear"
) -> Frequencies:
    r"""Evenly spaced frequencies for coordinates from -1 to 1: $\omega_p = \pi f_p$.

    $f_p$ goes from 1 to `max_freq / 2` in equal steps, or in equal ratios.

    Args:
        rotary_dim: Channels that take part in all; a multiple of `2 * axes`.
        axes: Number of position axes.
        max_freq: Twice the highest number of half-turns per unit of coordinate.
        spacing: `"linear"`: equal steps; `"log"`: equal ratios.

    Returns:
        `Frequencies` with `axes` axes and `rotary_dim / 2` pairs, the blocks one after the other.

    Raises:
        ArgumentError: `rotary_dim` cannot be shared evenly, `max_freq` is not positive, or an
            unknown `spacing`.

    Source:
        The "pixel" frequencies of lucidrains' rotary-embedding-torch, and with `"log"` and
        `max_freq=224` those of timm, whose `linear_bands=True` is `"linear"`.

    Examples:
        >>> (phasor.pixel(12, max_freq=32.0, spacing="log").inv_freq[0] / torch.pi).tolist()
        [1.0, 4.0, 16.0, 0.0, 0.0, 0.0]
    """
    if spacing not in ("linear", "log"):
        raise ArgumentError(f"spacing must be 'linear' or 'log', got {spacing!r}")
    if not 0 < max_freq < math.inf:
        raise ArgumentError(f"max_freq must be positive, got {max_freq}; timm's is 224")
    pairs = axial(rotary_dim, axes).pairs // axes
    last = max_freq / 2
    if spacing == "linear":
        block = torch.linspace(1.0, last, pairs, dtype=torch.float64, device="cpu") * math.pi
    else:
        share = torch.linspace(0.0, 1.0, pairs, dtype=torch.float64, device="cpu")
        block = math.pi * last**share
    return Frequencies(torch.block_diag(*[block[None]] * axes))


def axis_of_each_pair(sizes: tuple[int, ...], order: SectionOrder) -> list[int]:
    """Which axis `sections` gives each pair to; raise `ArgumentError` where it cannot."""
    if order == "chunked":
        return [axis for axis, size in enumerate(sizes) for _ in range(size)]
    if order == "interleaved":
        axes, pairs = len(sizes), sum(sizes)
        owner = [0] * pairs
        for axis in range(1, axes):
            turns = range(axis, axes * sizes[axis], axes)
            if len(turns) and turns[-1] >= pairs:
                raise ArgumentError(
                    f"interleaved sections leave the slow end to the first axis, so no other may "
                    f"have more than a {axes}th of the {pairs} pairs, got {list(sizes)}"
                )
            for pair in turns:
                owner[pair] = axis
        return owner
    if order == "ernie":
        if len(sizes) != 3 or sizes[1] != sizes[2]:
            raise ArgumentError(
                "order 'ernie' takes sizes (time, height, width) with equal height and width, got "
                f"{list(sizes)}"
            )
        return [1, 2] * sizes[1] + [0] * sizes[0]
    if order == "openpangu":
        if len(sizes) != 3 or sizes[0] < 1:
            raise ArgumentError(
                "order 'openpangu' takes sizes (time, height, width) with at least one pair for "
                f"time, which gets the slowest, got {list(sizes)}"
            )
        return [*_smallest_share_next((sizes[0] - 1, *sizes[1:])), 0]
    raise ArgumentError(
        f"order must be 'chunked', 'interleaved', 'ernie' or 'openpangu', got {order!r}"
    )


def _smallest_share_next(sizes: tuple[int, ...]) -> list[int]:
    given = [0] * len(sizes)
    owner: list[int] = []
    for _ in range(sum(sizes)):
        unfinished = [axis for axis, size in enumerate(sizes) if given[axis] < size]
        others = [axis for axis in unfinished if axis not in owner[-1:]]
        # min() prefers the earlier of equals, and so the earlier axis.
        chosen = min(others or unfinished, key=lambda axis: given[axis] / sizes[axis])
        given[chosen] += 1
        owner.append(chosen)
    return owner

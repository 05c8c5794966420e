"""Tables that do not fit the pairs they are used with: a frequency for each channel."""

import torch

from phasor.errors import ArgumentError
from phasor.rotary.axes import check_shares
from phasor.rotary.frequencies import Frequencies


def tiled(frequencies: Frequencies, *, blocks: int = 1) -> Frequencies:
    r"""Each block of frequencies twice in a row, one for each channel instead of each pair.

    For pairs of channels half a block apart that is the usual table of a rotation. For pairs of
    neighbours it is not: channels $2i$ and $2i + 1$ get the frequencies of pairs $2i$ and $2i + 1$.

    Args:
        frequencies: One column for each pair.
        blocks: Equal parts that are repeated one by one, such as one for each axis.

    Returns:
        `Frequencies` with a column for each channel, for `UnevenRotary`.

    Raises:
        ArgumentError: Blocks that do not divide the pairs.

    Source:
        V-JEPA 2 (Assran et al. 2025, arXiv:2506.09985), whose published code repeats the table
        where neighbours are paired, in three blocks for frame, row and column.

    Examples:
        >>> phasor.rotary.tiled(phasor.geometric(4, base=100.0)).inv_freq.tolist()
        [[1.0, 0.1, 1.0, 0.1]]
    """
    if blocks < 1 or frequencies.pairs % blocks:
        raise ArgumentError(
            f"blocks must divide the {frequencies.pairs} pairs of the frequencies, got {blocks}"
        )
    parts = frequencies.inv_freq.unflatten(-1, (blocks, -1))
    return frequencies.with_inv_freq(torch.cat((parts, parts), dim=-1).flatten(-2))


def doubled_sections(frequencies: Frequencies, sizes: tuple[int, ...]) -> Frequencies:
    r"""Axes share out the doubled table, as runs of channels and not of pairs.

    Unlike `phasor.sections`, which gives both channels of a pair to one axis: here channel $i$ of
    the first half and its partner in the second half belong to different axes.

    Args:
        frequencies: One axis, one column for each pair; scaled already, where the model scales.
        sizes: Half the channels of each axis; they add up to `frequencies.pairs`.

    Returns:
        `Frequencies` with one axis per size and a column for each channel, for `UnevenRotary`.

    Raises:
        ArgumentError: Frequencies of several axes, or sizes that are negative or do not add up.
        ArgumentTypeError: A size that is no whole number.

    Source:
        HunYuan-VL in transformers 5.23. Tencent's own code and vLLM's rotate:
        `phasor.sections(..., order="chunked")`.

    Examples:
        >>> pairs = phasor.geometric(4, base=100.0)
        >>> phasor.rotary.doubled_sections(pairs, (1, 1)).inv_freq.tolist()
        [[1.0, 0.1, 0.0, 0.0], [0.0, 0.0, 1.0, 0.1]]
    """
    if frequencies.axes != 1:
        raise ArgumentError(
            f"doubled_sections divides frequencies of one axis, got {frequencies.axes} axes"
        )
    check_shares(sizes, frequencies.pairs)
    of_each = [at for at, size in enumerate(sizes) for _ in range(2 * size)]
    owns = torch.tensor(of_each, device="cpu") == torch.arange(len(sizes), device="cpu")[:, None]
    return frequencies.with_inv_freq(torch.where(owns, tiled(frequencies).inv_freq, 0.0))

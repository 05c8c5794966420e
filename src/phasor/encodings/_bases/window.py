"""What the biases of a window share: the offset along each axis, as one row of a table."""

from collections.abc import Sequence

import torch
from torch import Tensor

from phasor.encodings._bases.score import ScoreBias, ScorePositions
from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError
from phasor.positions import check_positions


def check_window(window: Sequence[int], *, name: str = "window") -> tuple[int, ...]:
    """The window as a tuple; raise unless it has a size of at least 1 along each axis."""
    if isinstance(window, int) or not all(isinstance(size, int) for size in window):
        raise ArgumentTypeError(
            f"{name} must be a sequence of integers, one for each axis, got {window!r}; "
            "for a square window of 7 by 7 patches pass (7, 7)"
        )
    if not window or min(window) < 1:
        raise ArgumentError(f"{name} must have at least one patch along each axis, got {window!r}")
    return tuple(window)


def num_rows(window: Sequence[int]) -> int:
    """Rows of a table of all offsets: $2W - 1$ along each axis."""
    rows = 1
    for size in window:
        rows *= 2 * size - 1
    return rows


def window_positions(
    positions: Tensor, key_positions: Tensor | None, window: tuple[int, ...], *, owner: str
) -> ScorePositions:
    """Positions along several axes as one number, whose differences are rows from the middle one.

    Args:
        positions: `[..., axes]`, or without that axis if there is one alone.
        key_positions: Of the keys; where the queries are if `None`.
        window: Patches along each axis.
        owner: For messages.

    Raises:
        ArgumentTypeError: Positions between integers.
        PositionRangeError: A query and a key that no window holds together.
    """
    places = []
    for given in (positions, positions if key_positions is None else key_positions):
        check_positions(given, axes=len(window), owner=owner)
        if given.is_floating_point():
            raise ArgumentTypeError(
                f"{owner} looks whole offsets up in a table and takes integer positions, got "
                f"{given.dtype}; call positions.long()"
            )
        places.append(given.long() if len(window) > 1 else given.long().unsqueeze(-1))
    query, key = places
    _check_offsets(query, key, window, owner)
    return ScorePositions(_flat(query, window), _flat(key, window))


class WindowBias(ScoreBias, abstract=True):
    """A bias for each head and offset: the rows of its only term, `[rows, num_heads]`."""

    integer_positions = True

    def __init__(self, num_heads: int, window: Sequence[int]) -> None:
        super().__init__(num_heads)
        self.window = check_window(window)

    def where(self, positions: Tensor, key_positions: Tensor | None) -> ScorePositions:
        return window_positions(positions, key_positions, self.window, owner=type(self).__name__)

    def bias(self, head: Tensor, m: Tensor, n: Tensor, table: Tensor) -> Tensor:
        return table[m - n + table.shape[0] // 2, head]


def _flat(places: Tensor, window: tuple[int, ...]) -> Tensor:
    """Row-major, with room for the offsets of both signs."""
    flat = torch.zeros_like(places[..., 0])
    for axis, size in enumerate(window):
        flat = flat * (2 * size - 1) + places[..., axis]
    return flat


def _check_offsets(query: Tensor, key: Tensor, window: tuple[int, ...], owner: str) -> None:
    if query.numel() == 0 or key.numel() == 0 or query.device.type == "meta":
        return
    after = query.amax(-2) - key.amin(-2)
    before = key.amax(-2) - query.amin(-2)
    farthest = torch.maximum(after, before)
    advice = (
        "positions are those within a window, which the batch axis or the mask keeps apart from "
        "others; take positions % size, or make the window larger"
    )
    for axis, size in enumerate(window):
        too_far = farthest[..., axis] >= size
        if torch.compiler.is_compiling() or query.device.type != "cpu":
            # Reading the value would break the graph or wait for the device; this does neither.
            torch._assert_async(~too_far.any(), f"{owner} has offsets to {size - 1}; {advice}")
        elif too_far.any():
            raise PositionRangeError(
                f"{owner} has offsets up to {size - 1} along axis {axis}, got "
                f"{int(farthest[..., axis].max())}; {advice}"
            )

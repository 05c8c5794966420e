"""What the biases of a window share: the offset along each axis, as one row of a table."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from phasor.encoding import ScoreMod
from phasor.encodings._bases.score import ScorePositions, add_to_score
from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError
from phasor.positions import check_positions


class Rows(NamedTuple):
    """Where queries and keys are, in rows, and the `table` `[rows, num_heads]` of all offsets."""

    positions: ScorePositions
    table: Tensor


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


def look_up(prepared: Rows, *, num_heads: int, owner: str) -> ScoreMod:
    """Adds to each score the entry of its offset and head."""
    positions, table = prepared
    middle = table.shape[0] // 2

    def entry(batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
        offset = positions.of_query(batch, query_index) - positions.of_key(batch, key_index)
        return table[offset + middle, head]

    return add_to_score(entry, positions=positions, term=table, num_heads=num_heads, owner=owner)


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

"""Where the tokens of an image stand, worked out from how a tower orders its patches."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The patches of one image, and the order in which a tower reads them.

    Attributes:
        rows: Of patches.
        columns: Of patches.
        frames: Of a video; each has the same patches.
        merge: Blocks of so many patches a side are read one after the other.
        window: Windows of so many patches a side are read one after the other.
        tiles: Patches a side of the windows that some layers see alone, which count anew in each.
        before: Tokens before the patches, which stand at 0 on each axis.
        after: Tokens after them, which do so too.
        first: Position of the first row and column.
        centres: Whether positions are centres of patches, from -1 to 1.
        timed: Whether frames count as the first axis.
        bare: Tokens just before the patches that have no rows of the table.
        patches_only: Whether other tokens turn in a way that the row says the spec does not hold.
        masked: Whether a mask that the row says the spec does not hold hides tokens.
        omitted: Tables of which the row says that the spec does not hold them.
    """

    rows: int
    columns: int
    frames: int = 1
    merge: int = 1
    window: int | None = None
    tiles: int | None = None
    before: int = 0
    after: int = 0
    first: int = 0
    centres: bool = False
    timed: bool = False
    bare: int = 0
    patches_only: bool = False
    masked: bool = False
    omitted: Sequence[str] = ()

    @property
    def patches(self) -> list[tuple[int, int, int]]:
        """Frame, row and column of each patch, in reading order."""
        places = [
            (frame, row, column)
            for frame in range(self.frames)
            for row in range(self.rows)
            for column in range(self.columns)
        ]
        m, w = self.merge, self.window or max(self.rows, self.columns)
        return sorted(
            places,
            key=lambda at: (
                *(at[0], at[1] // w, at[2] // w),
                *(at[1] // m, at[2] // m, at[1] % m, at[2] % m),
            ),
        )

    @property
    def tokens(self) -> int:
        return self.before + len(self.patches) + self.after

    def positions(self) -> Tensor:
        """`[tokens, axes]`: row and column, after the frame if `timed`."""
        places = torch.tensor(self.patches)[:, 0 if self.timed else 1 :]
        if self.centres:
            sizes = torch.tensor([self.rows, self.columns])
            places = (2 * places.double() + 1) / sizes - 1
        places = places + self.first
        others = [places.new_zeros(n, places.shape[1]) for n in (self.before, self.after)]
        return torch.cat((others[0], places, others[1]))

    def rows_of_table(self) -> Tensor:
        """`[tokens]`: which row each token has of a table row by row of the image; -1 for none."""
        before = self.before - self.bare
        patches = [row * self.columns + column + before for _, row, column in self.patches]
        end = before + self.rows * self.columns
        return torch.tensor(
            [*range(before), *[-1] * self.bare, *patches, *range(end, end + self.after)]
        )

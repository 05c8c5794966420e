"""A trained vector for each position, added to the embedding."""

import math
from dataclasses import KW_ONLY, dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import UNSTATED, EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.embedding import add_table
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions import check_positions, check_range

_FIRST_OF_GRID = "pass the rows before the grid as keep: 1 for a class token"


@dataclass(frozen=True)
class LearnedSpec(EncodingSpec["Learned"]):
    """`phasor.Learned` as data.

    Args:
        num_positions: Positions 0 ... `num_positions - 1`.
        dim: Width of the embedding.
        offset: Rows before that of position 0: 2 in BART, OPT and RoBERTa, which keep them for
            padding. RoBERTa's 514 rows are 512 positions.
        rms: Root mean square of the initial entries, which are normal with mean 0. GPT-2 as
            published has 0.01, its port in transformers 0.02.
    """

    num_positions: int
    dim: int
    _: KW_ONLY
    offset: int = 0
    rms: float = field(default=0.02, metadata=UNSTATED)

    def check(self) -> None:
        if self.num_positions < 1 or self.dim < 1:
            raise ArgumentError(
                f"Learned needs at least one position and one channel, got "
                f"num_positions={self.num_positions}, dim={self.dim}"
            )
        if self.offset < 0:
            raise ArgumentError(f"offset must be at least 0, got {self.offset}")
        if not (math.isfinite(self.rms) and self.rms > 0):
            raise ArgumentError(f"rms must be positive, got {self.rms}; 0.02 is usual")

    def in_words(self) -> str:
        offset = f", position 0 in row {self.offset}" if self.offset else ""
        return (
            f"learned: a table of {number(self.num_positions)} positions x "
            f"{number(self.dim)}{offset}"
        )


@final
class Learned(PositionEncoding):
    """A trained vector for each position, added to the embedding.

    The table ends. A position past it is an error, never the last row again.

    Raises:
        ArgumentError: A size or `rms` that is not positive.

    Source:
        Gehring et al. 2017, arXiv:1705.03122, section 3.1; used by BERT, GPT-2 and GPT-3.

    Examples:
        >>> encoding = phasor.Learned(512, 64)
        >>> encoding.prepare(torch.arange(513))
        Traceback (most recent call last):
        phasor.errors.PositionRangeError: Learned has positions 0 to 511 but was asked for 512; ...
    """

    sites = frozenset({"embedding"})
    spelling = "learned"
    integer_positions = True
    paper = "arXiv:1705.03122"
    formula = "xₘ + table[m];  xₘ the token's embedding, table learned"

    @constructed_from(LearnedSpec)
    def __init__(self, options: LearnedSpec) -> None:
        super().__init__()
        self.rms = options.rms
        self.num_positions = options.num_positions
        self.offset = options.offset
        rows = options.num_positions + options.offset
        self.weight = nn.Parameter(torch.empty(rows, options.dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew; also what gives it values after `to_empty`."""
        nn.init.normal_(self.weight, std=self.rms)

    def interpolate(self, num_positions: int) -> "Learned":
        r"""A table of another length, linear between the vectors of this one.

        Both tables span the same range, cut into as many cells as they have positions, and a vector
        is that of the middle of its cell: position $m$ of $N'$ is at
        $(m + \tfrac12)\,N/N' - \tfrac12$ of this table's $N$, or at its nearest end. So none is
        made up beyond the ends; distances shrink as with `phasor.positions.interpolated`. The
        `offset` rows are copied. The new table is a parameter of its own, to be trained further.

        Args:
            num_positions: $N'$, longer or shorter than now.

        Returns:
            A new `Learned` of `num_positions`, with the dtype and device of this one.

        Raises:
            ArgumentError: `num_positions` is less than 1.

        Source:
            What is done to learned tables of offsets: Li et al. 2022, arXiv:2203.16527 (ViTDet),
            and the authors' code.

        Examples:
            >>> table = phasor.Learned(2, 1)
            >>> table.weight.data = torch.tensor([[1.0], [3.0]])
            >>> table.interpolate(4).weight.flatten().tolist()
            [1.0, 1.5, 2.5, 3.0]
        """
        if num_positions < 1:
            raise ArgumentError(
                f"num_positions must be at least 1, got {num_positions}; pass the new length"
            )
        kept, rows = self.weight.detach().split((self.offset, self.num_positions))
        wide = rows.to(torch.promote_types(rows.dtype, torch.float32)).T[None]
        resized = nn.functional.interpolate(wide, size=num_positions, mode="linear")[0].T
        return self._with_rows(torch.cat((kept, resized.to(rows.dtype))))

    def interpolate_grid(
        self, size: tuple[int, int], new_size: tuple[int, int], *, keep: int = 0
    ) -> "Learned":
        r"""The table of an image of another size, bicubic between the patches of this one.

        Patches are cells of the image as positions are of the range in `interpolate`; the weights
        of the four nearest along each axis are those of PyTorch's `"bicubic"`.

        Args:
            size: Rows and columns of patches that the table has, row by row.
            new_size: Rows and columns that it is to have.
            keep: Positions before the patches, copied: 1 for a class token.

        Returns:
            A new `Learned` of `keep` and as many positions as `new_size` has patches.

        Raises:
            ArgumentError: A size or `keep` out of its range, or that does not fit this table.

        Source:
            Dosovitskiy et al. 2020, arXiv:2010.11929, section 3.2; as ViT and DINOv2 in
            transformers do it. DINOv2's own code passes factors with 0.1 added to the size, which
            shifts all vectors a little; timm smooths where the size shrinks.

        Examples:
            >>> table = phasor.Learned(1 + 14 * 14, 384)
            >>> table.interpolate_grid((14, 14), (16, 20), keep=1).num_positions
            321
        """
        for name, given in (("size", size), ("new_size", new_size)):
            if len(given) != 2 or min(given) < 1:
                raise ArgumentError(
                    f"{name} must be rows and columns, each at least 1, got {given!r}"
                )
        if keep < 0 or keep + size[0] * size[1] != self.num_positions:
            raise ArgumentError(
                f"size and keep must account for the {self.num_positions} positions of the table, "
                f"got {size[0]} * {size[1]} + {keep}; {_FIRST_OF_GRID}"
            )
        kept, rows = self.weight.detach().split((self.offset + keep, size[0] * size[1]))
        wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
        image = wide.unflatten(0, size).permute(2, 0, 1)[None]
        resized = nn.functional.interpolate(image, size=new_size, mode="bicubic")[0]
        return self._with_rows(torch.cat((kept, resized.flatten(1).T.to(rows.dtype))))

    def _with_rows(self, rows: Tensor) -> "Learned":
        other = Learned(len(rows) - self.offset, rows.shape[1], offset=self.offset, rms=self.rms)
        other.weight = nn.Parameter(rows.contiguous(), requires_grad=self.weight.requires_grad)
        return other

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        check_positions(positions, owner="Learned")
        if positions.is_floating_point():
            raise ArgumentTypeError(
                f"Learned looks positions up in a table and takes integers, got {positions.dtype}; "
                "call positions.long(), or choose an encoding that is defined between integers"
            )
        positions = positions.long()
        check_range(
            positions,
            self.num_positions,
            owner="Learned",
            advice="make the table longer, or choose an encoding without an end",
        )
        return nn.functional.embedding(positions + self.offset, self.weight)

    def embed(self, x: Tensor, prepared: Tensor) -> Tensor:
        return add_table(x, prepared, owner="Learned")

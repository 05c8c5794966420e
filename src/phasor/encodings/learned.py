"""A trained vector for each position, added to the embedding."""

import math
from typing import final

import torch
from torch import Tensor, nn

from phasor.encoding import PositionEncoding
from phasor.encodings.additive import add_table
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions import check_positions, check_range


@final
class Learned(PositionEncoding):
    """A trained vector for each position, added to the embedding.

    The table ends. A position past it is an error, never the last row again.

    Args:
        num_positions: Positions 0 ... `num_positions - 1`.
        dim: Width of the embedding.
        offset: Rows before that of position 0: 2 in BART, OPT and RoBERTa, which keep them for
            padding. RoBERTa's 514 rows are 512 positions.
        rms: Root mean square of the initial entries, which are normal with mean 0. GPT-2 as
            published has 0.01, its port in transformers 0.02.

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
    paper = "arXiv:1705.03122"

    def __init__(self, num_positions: int, dim: int, *, offset: int = 0, rms: float = 0.02) -> None:
        super().__init__()
        if num_positions < 1 or dim < 1:
            raise ArgumentError(
                f"Learned needs at least one position and one channel, got "
                f"num_positions={num_positions}, dim={dim}"
            )
        if offset < 0:
            raise ArgumentError(f"offset must be at least 0, got {offset}")
        if not (math.isfinite(rms) and rms > 0):
            raise ArgumentError(f"rms must be positive, got {rms}; 0.02 is usual")
        self.rms = rms
        self.num_positions = num_positions
        self.offset = offset
        self.weight = nn.Parameter(torch.empty(num_positions + offset, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew; also what gives it values after `to_empty`."""
        nn.init.normal_(self.weight, std=self.rms)

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

    def extra_repr(self) -> str:
        return (
            f"num_positions={self.num_positions}, dim={self.weight.shape[1]}, "
            + f"offset={self.offset}, " * (self.offset > 0)
            + f"rms={self.rms}"
        )

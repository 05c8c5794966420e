"""Swin's relative position bias: a learned number per head for each offset within a window."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import final

import torch
from torch import nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor.encodings._bases.window import WindowBias, check_window, num_rows
from phasor.positions.checks import check_count


@dataclass(frozen=True)
class RelativeTableSpec(EncodingSpec["RelativeTable"]):
    """`phasor.RelativeTable` as data.

    Args:
        num_heads: Number of query heads.
        window: Patches along each axis, such as `(7, 7)`; `(64,)` for positions without axes.
            Attention within a window is a matter of the batch axis or the mask.
    """

    num_heads: int
    _: KW_ONLY
    window: Sequence[int]

    def check(self) -> None:
        check_count(
            "num_heads", self.num_heads, at_least=1, advice="pass the number of query heads"
        )
        object.__setattr__(self, "window", check_window(self.window))

    def in_words(self) -> str:
        window = " x ".join(map(str, self.window))
        return (
            f"relative table: a learned number for each of {self.num_heads} heads and each offset "
            f"within a window of {window}"
        )


@final
class RelativeTable(WindowBias):
    r"""A learned bias on the score for each head and each offset within a window.

    The score of a query at $(y, x)$ and a key at $(v, u)$ changes by
    $B_h[y - v, x - u]$, an entry of a table of $(2W_y - 1)(2W_x - 1)$ rows.

    Attributes:
        weight: `[rows, num_heads]`, row-major from the most negative offsets; a parameter, laid
            out as the `relative_position_bias_table` of Swin checkpoints.

    Raises:
        ArgumentError: `num_heads` less than 1, or a window without patches.
        ArgumentTypeError: A window that is no sequence of integers.

    Source:
        Liu et al. 2021, arXiv:2103.14030, section 3.2; initial values (normal, 0.02) as in the
        authors' code. BEiT adds three more entries for its class token, which has no position.

    Examples:
        >>> table = phasor.RelativeTable(4, window=(2, 3))
        >>> grid = phasor.positions.grid_2d(2, 3)
        >>> query, key, value = torch.randn(3, 1, 4, 6, 16)
        >>> phasor.attention(query, key, value, table, positions=grid, causal=False).shape
        torch.Size([1, 4, 6, 16])
    """

    spelling = "relative_table"
    compared = False
    paper = "arXiv:2103.14030"
    formula = "score + Bₕ[y − v, x − u];  query at (y, x), key at (v, u), B learned"

    @constructed_from(RelativeTableSpec)
    def __init__(self, options: RelativeTableSpec) -> None:
        super().__init__(options.num_heads, options.window)
        self.weight = nn.Parameter(torch.empty(num_rows(self.window), options.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew; also what gives it values after `to_empty`."""
        nn.init.trunc_normal_(self.weight, std=0.02)

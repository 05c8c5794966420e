"""ViTDet's bias: the query meets a vector for the offset along each axis, one after the other."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, Self, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.by_distance import of_query, products
from phasor.encodings._bases.score import ScorePositions, add_to_score
from phasor.encodings._bases.window import check_window, num_rows, window_positions
from phasor.encodings._handed_out import HandedOutList
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype


class AxisLogits(NamedTuple):
    """Where queries and keys are, in rows of a table of all offsets, and a table of each axis.

    `logits`, `[batch, num_heads, seq, 2W - 1]` of each axis, is empty until a query was seen.
    """

    positions: ScorePositions
    tables: list[Tensor]
    logits: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class DecomposedBiasSpec(EncodingSpec["DecomposedBias"]):
    """`phasor.DecomposedBias` as data.

    Args:
        head_dim: Channels of each head.
        window: Patches along each axis, such as `(14, 14)`. Attention within a window is a matter
            of the batch axis or the mask.
    """

    head_dim: int
    _: KW_ONLY
    window: Sequence[int]

    def check(self) -> None:
        if self.head_dim < 1:
            raise ArgumentError(f"head_dim must be at least 1, got {self.head_dim}")
        object.__setattr__(self, "window", check_window(self.window))

    def in_words(self) -> str:
        return (
            "decomposed bias: the query meets a learned vector for the offset along each axis of "
            f"a window of {' x '.join(map(number, self.window))}"
        )


@final
class DecomposedBias(PositionEncoding):
    r"""A bias on the score, a sum over the axes of an image, that the query decides (ViTDet).

    The score of a query $q$ at $(y, x)$ and a key at $(v, u)$ changes by
    $q \cdot R^{(0)}_{y-v} + q \cdot R^{(1)}_{x-u}$, where the product of query and key is divided
    by $\sqrt{d}$ and these are not. All heads share the vectors.

    Attributes:
        weights: For each axis a parameter `[2W - 1, head_dim]`, from the most negative offset on,
            as `rel_pos_h` and `rel_pos_w` of ViTDet, SAM and MViTv2 checkpoints.

    Raises:
        ArgumentError: `head_dim` less than 1, or a window without patches.
        ArgumentTypeError: A window that is no sequence of integers.

    Source:
        Li et al. 2021 (MViTv2), arXiv:2112.01526, and Li et al. 2022 (ViTDet), arXiv:2203.16527.
        The former's paper divides the bias by $\sqrt{d}$ too; the code of neither does. Initial
        values (zero) as in ViTDet's. Keys that MViTv2 has pooled are at the last of their patches.

    Examples:
        >>> bias = phasor.DecomposedBias(16, window=(2, 3))
        >>> grid = phasor.positions.grid_2d(2, 3)
        >>> query, key, value = torch.randn(3, 1, 4, 6, 16)
        >>> phasor.attention(query, key, value, bias, positions=grid, causal=False).shape
        torch.Size([1, 4, 6, 16])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    looks_at = frozenset({"query_key"})
    each_layer = True
    integer_positions = True
    spelling = "decomposed"
    compared = False
    paper = "arXiv:2203.16527"
    formula = "score + q·R[y − v] + q·S[x − u];  query at (y, x), key at (v, u), R and S learned"

    @constructed_from(DecomposedBiasSpec)
    def __init__(self, options: DecomposedBiasSpec) -> None:
        super().__init__()
        self.head_dim = options.head_dim
        self.window = tuple(options.window)
        self.weights = HandedOutList(
            nn.Parameter(torch.empty(2 * size - 1, options.head_dim)) for size in self.window
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No bias anywhere; also what gives the tables values after `to_empty`."""
        for weight in self.weights:
            nn.init.zeros_(weight)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> AxisLogits:
        where = window_positions(positions, key_positions, self.window, owner="DecomposedBias")
        wide = table_dtype(dtype)
        return AxisLogits(where, [weight.to(positions.device, wide) for weight in self.weights()])

    def look(
        self, prepared: AxisLogits, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> AxisLogits:
        logits = (products(query, table, owner="DecomposedBias") for table in prepared.tables)
        return prepared._replace(logits=tuple(logits))

    def score_mod(self, prepared: AxisLogits) -> ScoreMod:
        positions, _, logits = prepared
        middle = num_rows(self.window) // 2

        def of_axes(batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
            offset = positions.of_query(batch, query_index) - positions.of_key(batch, key_index)
            row, total = offset + middle, 0.0
            for size, table in zip(reversed(self.window), reversed(logits), strict=True):
                total = total + of_query(table, batch, head, query_index, row % (2 * size - 1))
                row = row // (2 * size - 1)
            assert isinstance(total, Tensor)
            return total

        return add_to_score(
            of_axes,
            positions=positions,
            term=logits[0],
            num_heads=logits[0].shape[1],
            owner="DecomposedBias",
        )

    @torch.no_grad()
    def resized(self, window: Sequence[int]) -> Self:
        """One for another window, whose tables are interpolated linearly as ViTDet does.

        Args:
            window: Patches along each axis.
        """
        other = type(self)(self.head_dim, window=window)
        if len(other.window) != len(self.window):
            raise ArgumentError(f"window must have {len(self.window)} axes, got {other.window}")
        for weight, old in zip(other.weights, self.weights, strict=True):
            rows = nn.functional.interpolate(old.T[None], size=len(weight), mode="linear")
            weight.data = rows[0].T.contiguous()
        return other

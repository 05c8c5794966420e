"""Attention with linear biases: a penalty on the score that grows with distance."""

import math
from typing import NamedTuple, final

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding, ScoreMod
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions import check_covers, check_positions
from phasor.rotary.phase import table_dtype


def alibi_slopes(num_heads: int) -> list[float]:
    r"""The authors' slopes, one per head, for any number of heads.

    For a power of two, $2^{-8h/H}$ with $h = 1 \dots H$. For any other number, the slopes of the
    next smaller power of two, then every second slope of the next larger one, as many as lack.

    Args:
        num_heads: $H$, at least 1.

    Returns:
        Positive slopes, steepest first within each of the two groups.

    Raises:
        ArgumentError: `num_heads` is less than 1.

    Source:
        Press et al. 2021, arXiv:2108.12409, section 3; the rule for other numbers is in the
        authors' code alone. Several libraries use $2^{-8h/H}$ for every $H$: wrong for 12 heads by
        up to 0.69.

    Examples:
        >>> from phasor.encodings.alibi import alibi_slopes
        >>> alibi_slopes(6)
        [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
    """
    if num_heads < 1:
        raise ArgumentError(f"num_heads must be at least 1, got {num_heads}")
    smaller = 2 ** math.floor(math.log2(num_heads))
    slopes = [2.0 ** (-8 * head / smaller) for head in range(1, smaller + 1)]
    larger = [2.0 ** (-4 * head / smaller) for head in range(1, 2 * smaller + 1)]
    return slopes + larger[::2][: num_heads - smaller]


class Distances(NamedTuple):
    """Positions `[seq]` or `[batch, seq]` of queries and keys, and `slopes` `[num_heads]`."""

    query: Tensor
    key: Tensor
    slopes: Tensor


@final
class ALiBi(PositionEncoding):
    r"""A penalty on the attention score, linear in distance.

    The score of a query at $m$ and a key at $n$ changes by $-s_h\,|m - n|$ in head $h$.

    Args:
        num_heads: Number of query heads, each of which gets its own slope.

    Raises:
        ArgumentError: `num_heads` is less than 1.

    Source:
        Press et al. 2021, arXiv:2108.12409, section 3. The paper is causal, where $m \ge n$; the
        absolute value keeps its meaning without a causal mask.

    Examples:
        >>> alibi = phasor.ALiBi(8)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, alibi).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    paper = "arXiv:2108.12409"

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        # Not a buffer: .to(bfloat16) would round the slopes, to_empty() would lose them.
        self.slopes = torch.tensor(alibi_slopes(num_heads), dtype=torch.float64, device="cpu")

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Distances:
        key_positions = positions if key_positions is None else key_positions
        check_positions(positions, owner="ALiBi")
        check_positions(key_positions, owner="ALiBi")
        return Distances(
            _exact(positions),
            _exact(key_positions),
            self.slopes.to(positions.device, table_dtype(dtype)),
        )

    def score_mod(self, prepared: Distances) -> ScoreMod:
        query_positions, key_positions, slopes = prepared

        def penalise(
            score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
        ) -> Tensor:
            _check_covers(score, batch, head, query_index, key_index, prepared)
            query_position = _at(query_positions, batch, query_index)
            distance = (query_position - _at(key_positions, batch, key_index)).abs()
            return score - slopes[head] * distance.to(slopes.dtype)

        return penalise

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}"


def _exact(positions: Tensor) -> Tensor:
    """Wide enough to subtract: small and unsigned integers wrap, half precision rounds."""
    return positions.double() if positions.is_floating_point() else positions.long()


def _check_covers(
    score: Tensor,
    batch: Tensor,
    head: Tensor,
    query_index: Tensor,
    key_index: Tensor,
    distances: Distances,
) -> None:
    if score.dtype == torch.float64 != distances.slopes.dtype:
        raise ArgumentTypeError(
            f"the score is float64 but ALiBi was prepared in {distances.slopes.dtype}; "
            "pass dtype=query.dtype to prepare"
        )
    if head.ndim == 0:
        return  # One score at a time: FlexAttention, which shows no sizes.
    if head.numel() != len(distances.slopes):
        raise ArgumentError(
            f"ALiBi was built for {len(distances.slopes)} heads but the query has {head.numel()}; "
            f"build it with num_heads={head.numel()}"
        )
    for what, index, positions in (
        ("query", query_index, distances.query),
        ("key", key_index, distances.key),
    ):
        check_covers(positions, batch=batch.numel(), seq=index.numel(), owner="ALiBi", what=what)


def _at(positions: Tensor, batch: Tensor, index: Tensor) -> Tensor:
    if positions.ndim == 1:
        return positions[index]
    return positions[batch if len(positions) > 1 else torch.zeros_like(batch), index]

"""What the encodings at the score share: positions of queries and keys, looked up per score."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from phasor.encoding import ScoreMod
from phasor.encodings._bases.heads import check_heads
from phasor.errors import ArgumentTypeError
from phasor.positions import check_covers, check_positions


class ScorePositions(NamedTuple):
    """Positions `[seq]` or `[batch, seq]` of queries and of keys, wide enough to subtract."""

    query: Tensor
    key: Tensor

    def of_query(self, batch: Tensor, index: Tensor) -> Tensor:
        """Positions of the queries at `index` in `batch`."""
        return _at(self.query, batch, index)

    def of_key(self, batch: Tensor, index: Tensor) -> Tensor:
        """Positions of the keys at `index` in `batch`."""
        return _at(self.key, batch, index)


def score_positions(
    positions: Tensor, key_positions: Tensor | None, *, owner: str
) -> ScorePositions:
    """Check the positions of queries and keys; the keys are where the queries are if `None`."""
    key_positions = positions if key_positions is None else key_positions
    check_positions(positions, owner=owner)
    check_positions(key_positions, owner=owner)
    return ScorePositions(_exact(positions), _exact(key_positions))


class Bias(Protocol):
    """What is added to scores; the indices are those of a `ScoreMod`."""

    def __call__(
        self, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
    ) -> Tensor: ...


def add_to_score(
    bias: Bias, *, positions: ScorePositions, term: Tensor, num_heads: int, owner: str
) -> ScoreMod:
    """Adds `bias` to each score, once it is clear that all of them fit what was prepared.

    Args:
        bias: Made of positions and numbers of `owner`, and of nothing in the score.
        positions: What was prepared.
        term: The numbers that the bias is made of, in the dtype in which they were prepared.
        num_heads: For which `owner` was built.
        owner: For the messages.

    Returns:
        A `ScoreMod`, which raises `ArgumentError` for other heads, tokens or sequences, and
        `ArgumentTypeError` for a float64 score where less was prepared.
    """
    return _Added(bias, positions, term, num_heads, owner)


class _Added:
    """A `ScoreMod` with `check_sizes`."""

    def __init__(
        self, bias: Bias, positions: ScorePositions, term: Tensor, num_heads: int, owner: str
    ) -> None:
        self.bias = bias
        self.positions = positions
        self.term = term
        self.num_heads = num_heads
        self.owner = owner

    def __call__(
        self, score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
    ) -> Tensor:
        if score.dtype == torch.float64 != self.term.dtype:
            raise ArgumentTypeError(
                f"the score is float64 but {self.owner} was prepared in {self.term.dtype}; "
                "pass dtype=query.dtype to prepare"
            )
        if head.ndim > 0:  # FlexAttention gives one score at a time, and shows no sizes.
            self._check_heads(head.numel())
        return score + self.bias(batch, head, query_index, key_index)

    def check_sizes(self, shape: tuple[int, int, int, int]) -> None:
        """Raise unless all scores, `[batch, num_heads, seq, key_seq]`, fit what was prepared."""
        batch, num_heads, seq, key_seq = shape
        self._check_heads(num_heads)
        query, key = self.positions
        check_covers(query, batch=batch, seq=seq, owner=self.owner, what="query")
        check_covers(key, batch=batch, seq=key_seq, owner=self.owner, what="key")

    def _check_heads(self, num_heads: int) -> None:
        check_heads(num_heads, self.num_heads, owner=self.owner)


def _exact(positions: Tensor) -> Tensor:
    """Wide enough to subtract: small and unsigned integers wrap, half precision rounds."""
    return positions.double() if positions.is_floating_point() else positions.long()


def _at(positions: Tensor, batch: Tensor, index: Tensor) -> Tensor:
    if positions.ndim == 1:
        return positions[index]
    return positions[batch if len(positions) > 1 else torch.zeros_like(batch), index]

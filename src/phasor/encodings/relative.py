"""What the encodings at the score share: positions of queries and keys, looked up per score."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from phasor.encoding import ScoreMod
from phasor.errors import ArgumentError, ArgumentTypeError
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

    def add(
        score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
    ) -> Tensor:
        if score.dtype == torch.float64 != term.dtype:
            raise ArgumentTypeError(
                f"the score is float64 but {owner} was prepared in {term.dtype}; "
                "pass dtype=query.dtype to prepare"
            )
        if head.ndim > 0:  # FlexAttention gives one score at a time, and shows no sizes.
            if head.numel() != num_heads:
                raise ArgumentError(
                    f"{owner} was built for {num_heads} heads but the query has {head.numel()}; "
                    f"build it with num_heads={head.numel()}"
                )
            for what, index, known in (
                ("query", query_index, positions.query),
                ("key", key_index, positions.key),
            ):
                check_covers(known, batch=batch.numel(), seq=index.numel(), owner=owner, what=what)
        return score + bias(batch, head, query_index, key_index)

    return add


def _exact(positions: Tensor) -> Tensor:
    """Wide enough to subtract: small and unsigned integers wrap, half precision rounds."""
    return positions.double() if positions.is_floating_point() else positions.long()


def _at(positions: Tensor, batch: Tensor, index: Tensor) -> Tensor:
    if positions.ndim == 1:
        return positions[index]
    return positions[batch if len(positions) > 1 else torch.zeros_like(batch), index]

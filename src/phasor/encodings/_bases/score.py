"""A bias on the score: the base of those encodings, and positions of queries and keys per score."""

from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.heads import check_heads
from phasor.errors import ArgumentTypeError, SiteError
from phasor.positions import check_covers, check_positions
from phasor.positions.checks import check_count
from phasor.rotary.phase import table_dtype


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


def whole_positions(
    positions: Tensor, key_positions: Tensor | None, *, owner: str
) -> ScorePositions:
    """Positions of queries and keys that are integers; raise `ArgumentTypeError` otherwise."""
    where = score_positions(positions, key_positions, owner=owner)
    for given in where:
        if given.is_floating_point():
            raise ArgumentTypeError(
                f"{owner} looks whole distances up in a table and takes integer positions, got "
                "floats; call positions.long()"
            )
    return where


class ScoreTerms(NamedTuple):
    """What a `ScoreBias` prepares.

    Args:
        positions: Of queries and keys.
        zero: Without axes, in the dtype of the table.
        terms: What `bias` gets beside head and positions.
    """

    positions: ScorePositions
    zero: Tensor
    terms: tuple[Tensor, ...]


class ScoreBias(PositionEncoding, abstract=True):
    r"""An encoding that adds to each score a function of head and positions: the base of those.

    A subclass says where it was `paper`-published and implements `bias`. What it learns are
    parameters that its constructor sets; the rest comes from here: positions `[seq]` and
    `[batch, seq]`, caches, dtypes, devices, FlexAttention, `heads`, and errors in words.

    Args:
        num_heads: Number of query heads.

    Raises:
        ArgumentError: `num_heads` less than 1.
        SiteError: When the class is made: no `bias`.

    Examples:
        A learned slope for each head:

        >>> class Decay(phasor.ScoreBias):
        ...     paper = "none: an example"
        ...     def __init__(self, num_heads):
        ...         super().__init__(num_heads)
        ...         self.slope = torch.nn.Parameter(torch.full((num_heads,), 0.1))
        ...     def bias(self, head, query_position, key_position, slope):
        ...         return -slope[head] * (query_position - key_position).abs()
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, Decay(8)).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    has_parts = True

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(abstract=abstract, **kwargs)
        if not abstract and (cls.bias, cls.bias_at) == (ScoreBias.bias, ScoreBias.bias_at):
            raise SiteError(
                f"{cls.__name__} is a ScoreBias but has no bias(); implement "
                "bias(head, query_position, key_position, *terms)"
            )

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        check_count("num_heads", num_heads, at_least=1, advice="pass the number of query heads")
        self.num_heads = num_heads

    def terms(self) -> tuple[Tensor, ...]:
        """The numbers that the formula is made of: the parameters in their order, unless said.

        Floats among them reach `bias` in the dtype of the table, float32 at least, and all of them
        on the device of the positions, as copies.
        """
        return tuple(self.parameters())

    def derive(self, *terms: Any, **_: Any) -> tuple[Tensor, ...]:
        """Make of the terms, once per forward pass, what `bias` gets: the same, unless said."""
        return terms

    def bias(
        self,
        head: Tensor,
        query_position: Tensor,
        key_position: Tensor,
        /,
        *terms: Any,
        **_: Any,
    ) -> Tensor:
        """What is added to scores: of one, or of many.

        Args:
            head: Integers that broadcast with the positions, to look up rows of terms with.
            query_position: Integers (int64) or floats (float64): subtract before anything else.
            key_position: Likewise; broadcasts with those of the queries.
            *terms: What `derive` returned.

        Returns:
            What broadcasts to the scores.
        """
        raise NotImplementedError

    def bias_at(
        self,
        prepared: Any,
        batch: Tensor,
        head: Tensor,
        query_index: Tensor,
        key_index: Tensor,
    ) -> Tensor:
        """The same for one that needs to know which tokens they are, not only where they stand."""
        positions, _, terms = prepared
        m, n = positions.of_query(batch, query_index), positions.of_key(batch, key_index)
        return self.bias(head, m, n, *terms)

    def where(self, positions: Tensor, key_positions: Tensor | None) -> ScorePositions:
        """Check positions and make them one number for each token."""
        check = whole_positions if self.integer_positions else score_positions
        return check(positions, key_positions, owner=type(self).__name__)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Any:
        where = self.where(positions, key_positions)
        wide, device = table_dtype(dtype), positions.device
        terms = [
            term.to(device, wide if term.is_floating_point() else None, copy=True)
            for term in self.terms()
        ]
        zero = torch.zeros((), dtype=wide, device=device)
        return ScoreTerms(where, zero, tuple(self.derive(*terms)))

    def score_mod(self, prepared: Any) -> ScoreMod:
        return add_to_score(
            partial(self._of_heads, prepared),
            positions=prepared.positions,
            term=prepared.zero,
            num_heads=self.num_heads,
            owner=type(self).__name__,
        )

    def _of_heads(
        self,
        prepared: Any,
        batch: Tensor,
        head: Tensor,
        query_index: Tensor,
        key_index: Tensor,
    ) -> Tensor:
        head = head + self.first_head if self.first_head else head
        found = self.bias_at(prepared, batch, head, query_index, key_index)
        return found.to(prepared.zero.dtype)


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

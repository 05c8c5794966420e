"""The shapes that are measured: three with names, and any that can be spelled."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from phasor._options import listed
from phasor.errors import ArgumentError, unknown_name


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Query `[batch, query_heads, seq, head_dim]`, key `[batch, key_heads, seq, head_dim]`.

    Args:
        name: What a person calls it.
        batch: Sequences.
        query_heads: Heads of the query.
        key_heads: Heads of the key.
        seq: Tokens of each sequence. A single one is a decoding step, in which each sequence is
            at a position of its own.
        head_dim: Channels of a head, all of which turn.
    """

    name: str
    batch: int
    query_heads: int
    key_heads: int
    seq: int
    head_dim: int

    @property
    def elements(self) -> int:
        """Numbers in query and key together."""
        return self.batch * (self.query_heads + self.key_heads) * self.seq * self.head_dim

    @property
    def query(self) -> list[int]:
        """The query's shape."""
        return [self.batch, self.query_heads, self.seq, self.head_dim]

    @property
    def key(self) -> list[int]:
        """The key's shape."""
        return [self.batch, self.key_heads, self.seq, self.head_dim]


# A long prompt of a model with grouped heads, a training batch, a decoding step.
NAMED = {
    shape.name: shape
    for shape in (
        Shape(name="A", batch=1, query_heads=32, key_heads=8, seq=4096, head_dim=128),
        Shape(name="B", batch=8, query_heads=16, key_heads=16, seq=512, head_dim=64),
        Shape(name="C", batch=64, query_heads=32, key_heads=8, seq=1, head_dim=128),
    )
}

_SPELLING = re.compile(r"([0-9]+)x([0-9]+)(?:\+([0-9]+))?x([0-9]+)x([0-9]+)")
_HOW = "batch x query heads + key heads x tokens x head_dim, such as 1x32+8x4096x128"


def parse_shapes(text: str | Sequence[str]) -> tuple[Shape, ...]:
    """The shapes that `text` names, several or with commas between.

    Args:
        text: Names (`A`) or spellings: `1x32+8x4096x128` has 32 query heads and 8 key heads,
            `8x16x512x64` has 16 of both.

    Returns:
        The shapes, in their order.

    Raises:
        ArgumentError: None, one twice, a name that does not exist, a spelling that is not one, a
            size of 0, or a `head_dim` that is odd.

    Examples:
        >>> from phasor._bench.shapes import parse_shapes
        >>> parse_shapes("2x8+2x16x64")[0].key
        [2, 2, 16, 64]
    """
    shapes = tuple(_shape(word) for word in listed(text))
    for index, shape in enumerate(shapes):
        if shape in shapes[:index]:
            raise ArgumentError(f"shape {shape.name} is there twice in {text!r}; name each once")
    return shapes


def _shape(word: str) -> Shape:
    if word.upper() in NAMED:
        return NAMED[word.upper()]
    found = _SPELLING.fullmatch(word)
    if found is None:
        if word.isalpha():
            raise unknown_name("unknown shape", word, [*NAMED, "or " + _HOW])
        raise ArgumentError(
            f"shape {word!r} is neither one of {', '.join(NAMED)} nor spelled as {_HOW}"
        )
    batch, query_heads, key_heads, seq, head_dim = (
        None if number is None else int(number) for number in found.groups()
    )
    assert batch is not None and query_heads is not None and seq is not None  # noqa: PT018
    assert head_dim is not None
    key_heads = query_heads if key_heads is None else key_heads
    if 0 in (batch, query_heads, key_heads, seq, head_dim):
        raise ArgumentError(f"shape {word!r}: every size must be at least 1; {_HOW}")
    if head_dim % 2:
        raise ArgumentError(
            f"shape {word!r}: channels turn in pairs, so head_dim must be even, got {head_dim}"
        )
    return Shape(
        name=word, batch=batch, query_heads=query_heads, key_heads=key_heads, seq=seq,
        head_dim=head_dim,
    )  # fmt: skip

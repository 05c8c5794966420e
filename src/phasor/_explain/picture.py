"""What an encoding does, measured from its module: a curve over distance or over position."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from phasor.attention import attention_scores
from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings.catalogue import ModelShape
from phasor.errors import PhasorError

_FARTHEST, _STEP = 128, 4
_LONGEST = 4096
_DRAWS = 4
_SAME = 1e-9


@dataclass(frozen=True)
class Curve:
    """A line of a picture: whose it is, and its numbers."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Picture:
    """Curves over distances or positions.

    Args:
        title: What the numbers are.
        at: Distances or positions in tokens, ascending.
        curves: With a number for each.
    """

    title: str
    at: tuple[int, ...]
    curves: tuple[Curve, ...]


@torch.no_grad()
def draw(encoding: PositionEncoding, shape: ModelShape) -> Picture:
    """The picture that fits where `encoding` enters.

    Args:
        encoding: Built for `shape`; it is turned to float64.
        shape: Of the model.
    """
    encoding.double()
    untrained = ", before training" if any(True for _ in encoding.parameters()) else ""
    if "embedding" in encoding.sites:
        return _added(encoding, shape, untrained)
    if "score" in encoding.sites and (encoding.score_is_bias or encoding.looks_at):
        return _bias(encoding, shape, untrained)
    growth = _growth(encoding, shape)
    if growth is not None:
        at = range(0, _LONGEST, _LONGEST // 32)
        title = f"what scores are multiplied by{untrained}: queries at 0 to {at[-1]:,}"
        return Picture(title, tuple(at), (Curve("", tuple(growth[at].tolist())),))
    return _with_itself(encoding, shape, untrained)


def _positions(encoding: PositionEncoding, length: int) -> Tensor:
    """From 0 on; along the first axis of an encoding that has two."""
    line = torch.arange(length)
    try:
        encoding(line[:1], dtype=torch.float64)
    except PhasorError:
        return torch.stack((line, torch.zeros_like(line)), -1)
    return line


def _over_distance(title: str, row: Callable[[int], tuple[str, Tensor]], count: int) -> Picture:
    """Of the last of `_FARTHEST + 1` places with those before it."""
    at = range(0, _FARTHEST + 1, _STEP)
    rows = [row(each) for each in range(count)]
    curves = tuple(Curve(name, tuple(values.flip(-1)[at].tolist())) for name, values in rows)
    return Picture(f"{title}: 0 to {_FARTHEST} tokens apart", tuple(at), curves)


def _added(encoding: PositionEncoding, shape: ModelShape, untrained: str) -> Picture:
    prepared = encoding(torch.arange(_FARTHEST + 1), dtype=torch.float64)
    zeros = torch.zeros(1, _FARTHEST + 1, shape.dim, dtype=torch.float64)
    added = torch.nn.functional.normalize(encoding.embed(zeros, prepared)[0], dim=-1)
    title = f"cosine between what two positions add{untrained}"
    return _over_distance(title, lambda _: ("", added @ added[-1]), 1)


def _bias(encoding: PositionEncoding, shape: ModelShape, untrained: str) -> Picture:
    """What one query's scores with the same key change by; of the most different two heads."""
    query, key = _query_and_key(shape)
    hidden = _hidden(shape)
    change = _scores(encoding, query, key, hidden) - _scores(NoPE(), query, key, hidden)
    heads = change[0, :, -1]
    lowest, highest = int(heads[:, 0].argmin()), int(heads[:, 0].argmax())
    of = "of one query and key " if encoding.looks_at else ""
    title = f"added to the score {of}{untrained.removeprefix(', ')}".rstrip()
    if (heads[lowest] - heads[highest]).abs().max() < _SAME:
        return _over_distance(title, lambda _: ("each head", heads[0]), 1)
    chosen = (highest, lowest)
    return _over_distance(title, lambda at: (f"head {chosen[at]}", heads[chosen[at]]), 2)


def _with_itself(encoding: PositionEncoding, shape: ModelShape, untrained: str) -> Picture:
    """The score of a vector with itself, over that without a distance; mean of draws and heads."""
    size = (_DRAWS, shape.num_heads, 1, shape.head_dim)
    vector = torch.randn(size, dtype=torch.float64, generator=_generator())
    hidden = _hidden(shape).expand(_DRAWS, -1, -1)
    scores = _scores(encoding, vector, vector, hidden)[:, :, -1].mean((0, 1))
    title = f"score of a vector with itself over that at distance 0{untrained}"
    return _over_distance(title, lambda _: ("", scores / scores[-1]), 1)


def _growth(encoding: PositionEncoding, shape: ModelShape) -> Tensor | None:
    """By what the score of a query at each position is multiplied, `[_LONGEST]`, if by a number."""
    if encoding.is_relative or encoding.looks_at:
        return None
    query, key = (x.expand(-1, -1, _LONGEST, -1) for x in _query_and_key(shape))
    where = _positions(encoding, _LONGEST)
    if "score" in encoding.sites:
        changed = _with_first_key(encoding, query, key[:, :, :1], where)
        return (changed / _with_first_key(NoPE(), query, key[:, :, :1], where))[0, 0]
    turned, _ = encoding.rotate(query, None, encoding(where, dtype=torch.float64))
    cosine = torch.nn.functional.cosine_similarity(turned, query, dim=-1)
    if (cosine - 1).abs().max() > _SAME:
        return None
    return (turned.norm(dim=-1) / query.norm(dim=-1))[0, 0]


def _with_first_key(
    encoding: PositionEncoding, query: Tensor, key: Tensor, where: Tensor
) -> Tensor:
    prepared = encoding(where, key_positions=where[:1], dtype=torch.float64)
    return attention_scores(query, key, encoding, prepared)[..., 0]


def _scores(encoding: PositionEncoding, query: Tensor, key: Tensor, hidden: Tensor) -> Tensor:
    """Of tokens that are all the same, `[draws, num_heads, seq, seq]`."""
    seq = _FARTHEST + 1
    query, key = (x.expand(-1, -1, seq, -1) for x in (query, key))
    hidden = hidden.expand(-1, seq, -1)
    prepared = encoding(_positions(encoding, seq), dtype=torch.float64)
    features = encoding.observe(hidden)
    return attention_scores(query, key, encoding, prepared, features=features)


def _query_and_key(shape: ModelShape) -> Tensor:
    """`[2, 1, num_heads, 1, head_dim]`, the same in all heads, and each time."""
    size = (2, 1, 1, 1, shape.head_dim)
    drawn = torch.randn(size, dtype=torch.float64, generator=_generator())
    return drawn.expand(-1, -1, shape.num_heads, -1, -1)


def _hidden(shape: ModelShape) -> Tensor:
    """What goes into the layer for a token, `[1, 1, dim]`; the same each time."""
    return torch.randn(1, 1, shape.dim, dtype=torch.float64, generator=_generator())


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)

"""Several encodings in one model."""

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn

from phasor._prepared import Prepared, check_part
from phasor.encoding import (
    HOOKS,
    Content,
    Features,
    PositionEncoding,
    ScoreMod,
    Site,
    check_sizes,
)
from phasor.errors import ArgumentError, ArgumentTypeError, SiteError


class InTurn:
    """A `ScoreMod` of several, the first one first."""

    def __init__(self, score_mods: Sequence[ScoreMod]) -> None:
        self.score_mods = score_mods

    def __call__(
        self, score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
    ) -> Tensor:
        for score_mod in self.score_mods:
            score = score_mod(score, batch, head, query_index, key_index)
        return score

    def check_sizes(self, shape: tuple[int, int, int, int]) -> None:
        """Raise unless each of them fits."""
        for score_mod in self.score_mods:
            check_sizes(score_mod, shape)


@final
class Compose(PositionEncoding):
    """Several encodings in one model, applied in the order given.

    Args:
        encodings: At least one. The sites of the whole are those of its parts.

    Examples:
        >>> both = phasor.Compose(phasor.Rotary(64), phasor.ALiBi(8))
        >>> sorted(both.sites)
        ['query_key', 'score']
    """

    sites = frozenset(HOOKS)
    looks_at = frozenset({"query_key", "hidden"})
    paper = "of its parts"

    def __init__(self, *encodings: PositionEncoding) -> None:
        super().__init__()
        if not encodings:
            raise SiteError("Compose needs at least one encoding; for none at all use NoPE()")
        for encoding in encodings:
            if not isinstance(encoding, PositionEncoding):
                raise ArgumentTypeError(
                    f"Compose takes position encodings, got {type(encoding).__name__}; pass them "
                    "one by one: Compose(first, second)"
                )
        self.encodings = nn.ModuleList(encodings)
        # Narrower than the class: the model must offer only the sites that the parts use.
        self.sites = frozenset[Site]().union(*(encoding.sites for encoding in encodings))
        self.score_is_bias = all(
            encoding.score_is_bias for encoding in encodings if "score" in encoding.sites
        )
        self.score_needs_row = any(encoding.score_needs_row for encoding in encodings)
        self.is_relative = all(encoding.is_relative for encoding in encodings)
        self.keeps_norm = all(encoding.keeps_norm for encoding in encodings)
        self.looks_at = frozenset[Content]().union(*(encoding.looks_at for encoding in encodings))
        self.each_layer = any(encoding.each_layer for encoding in encodings)
        counts = [n for each in encodings if (n := getattr(each, "num_heads", None)) is not None]
        self.num_heads: int | None = max(counts, default=None)
        self.paper = ", ".join(encoding.paper for encoding in encodings)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> list[Prepared]:
        return [
            encoding(positions, key_positions=key_positions, dtype=dtype)
            for encoding in self._parts()
        ]

    def observe(self, hidden: Tensor) -> list[Features]:
        return [encoding.observe(hidden) for encoding in self._parts()]

    def look(
        self,
        prepared: list[Prepared],
        query: Tensor,
        key: Tensor,
        features: list[Features] | None = None,
    ) -> list[Prepared]:
        features = [None] * len(prepared) if features is None else features
        return [
            encoding.look(part, query, key, seen)
            for encoding, part, seen in zip(self._parts(), prepared, features, strict=True)
        ]

    def embed(self, x: Tensor, prepared: list[Prepared]) -> Tensor:
        for encoding, part in zip(self._parts(), prepared, strict=True):
            x = encoding.embed(x, part)
        return x

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: list[Prepared]
    ) -> tuple[Tensor, Tensor | None]:
        for encoding, part in zip(self._parts(), prepared, strict=True):
            query, key = encoding.rotate(query, key, part)
        return query, key

    def score_mod(self, prepared: list[Prepared]) -> ScoreMod | None:
        candidates = [
            encoding.score_mod(part) for encoding, part in zip(self._parts(), prepared, strict=True)
        ]
        score_mods = [score_mod for score_mod in candidates if score_mod is not None]
        return InTurn(score_mods) if score_mods else None

    @property
    def turns_values(self) -> bool:
        return any(encoding.turns_values for encoding in self._parts())

    def turn_values(self, value: Tensor, prepared: list[Prepared]) -> Tensor:
        for encoding, part in zip(self._parts(), prepared, strict=True):
            value = encoding.turn_values(value, part)
        return value

    def turn_back(self, out: Tensor, prepared: list[Prepared]) -> Tensor:
        for encoding, part in reversed(list(zip(self._parts(), prepared, strict=True))):
            out = encoding.turn_back(out, part)
        return out

    def heads(self, start: int, stop: int) -> "Compose":
        """Of each part those heads; parts that know the heads of the key alone, their share."""
        if self.num_heads is None:
            return self
        check_part(start, stop, self.num_heads, owner="Compose")
        parts = []
        for encoding in self._parts():
            group = self.num_heads // (getattr(encoding, "num_heads", None) or self.num_heads)
            if start % group or stop % group:
                raise ArgumentError(
                    f"{type(encoding).__name__} has one set of numbers for {group} heads, got "
                    f"heads({start}, {stop}); pass multiples of {group}"
                )
            parts.append(encoding.heads(start // group, stop // group))
        return Compose(*parts)

    def _parts(self) -> Iterable[PositionEncoding]:
        return self.encodings  # type: ignore[return-value]  # a ModuleList of encodings

"""Another encoding in each layer: local and global bases, layers without any."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from phasor.encoding import PositionEncoding, Prepared, Site
from phasor.errors import ArgumentError, ArgumentTypeError, SiteError


class PreparedLayers(NamedTuple):
    """What `PerLayer` hands to the hooks: of the embedding, and of each layer."""

    embedding: Prepared | None
    layers: list[Prepared]


@final
class PerLayer(nn.Module):
    """The encoding of each layer of a model, and the one at its embedding.

    Layers may share an encoding: the same object then stands in several places of the list, is
    prepared once, and its parameters exist once.

    Args:
        layers: One encoding for each layer, first layer first.
        embedding: What is added to the embeddings; may be one of the `layers` as well.

    Raises:
        ArgumentError: No layer at all.
        ArgumentTypeError: Something that is not a position encoding.
        SiteError: A layer's encoding enters at the embedding and is not `embedding`: no layer has
            one, so that part of it would be lost in silence.

    Examples:
        Every fourth layer without position (SmolLM3):

        >>> rotary, none = phasor.Rotary(64), phasor.NoPE()
        >>> encodings = phasor.PerLayer([rotary, rotary, rotary, none] * 2)
        >>> prepared = encodings(torch.arange(10))
        >>> query, key = torch.randn(2, 1, 8, 10, 64)
        >>> for layer, encoding in enumerate(encodings):
        ...     turned, _ = encoding.rotate(query, key, prepared.layers[layer])
        >>> torch.equal(turned, query)
        True
    """

    def __init__(
        self, layers: Sequence[PositionEncoding], *, embedding: PositionEncoding | None = None
    ) -> None:
        super().__init__()
        if not layers:
            raise ArgumentError("PerLayer needs at least one layer, got none")
        for given in (*layers, *([] if embedding is None else [embedding])):
            if not isinstance(given, PositionEncoding):
                raise ArgumentTypeError(
                    f"PerLayer takes position encodings, got {type(given).__name__}"
                )
        for at, encoding in enumerate(layers):
            if "embedding" in encoding.sites and encoding is not embedding:
                raise SiteError(
                    f"{type(encoding).__name__} of layer {at} enters at the embedding, which is "
                    "before the first layer; pass it as embedding="
                )
        distinct: list[PositionEncoding] = []
        for given in (*([] if embedding is None else [embedding]), *layers):
            if not any(given is known for known in distinct):
                distinct.append(given)
        self._distinct = nn.ModuleList(distinct)
        self._of_layer = [_place(encoding, distinct) for encoding in layers]
        self._of_embedding = None if embedding is None else _place(embedding, distinct)
        self.sites: frozenset[Site] = frozenset[Site]().union(*(each.sites for each in distinct))

    @staticmethod
    def in_turn(encodings: Sequence[PositionEncoding], num_layers: int) -> "PerLayer":
        """Layers that take turns with `encodings`: the same one for all layers, or a pattern.

        Raises:
            ArgumentError: No encoding, or no layer.
            SiteError: Two different ones enter at the embedding.

        Examples:
            >>> rotary, none = phasor.Rotary(64), phasor.NoPE()
            >>> [type(each).__name__ for each in phasor.PerLayer.in_turn([rotary, none], 3)]
            ['Rotary', 'NoPE', 'Rotary']
        """
        if not encodings:
            raise ArgumentError("in_turn needs at least one encoding; for none at all use NoPE()")
        # Of two at the embedding, the constructor refuses the second.
        embedding = next((each for each in encodings if "embedding" in each.sites), None)
        turns = [encodings[layer % len(encodings)] for layer in range(num_layers)]
        return PerLayer(turns, embedding=embedding)

    def __len__(self) -> int:
        return len(self._of_layer)

    def __getitem__(self, layer: int) -> PositionEncoding:
        return self.distinct[self._of_layer[layer]]

    def __iter__(self) -> Iterator[PositionEncoding]:
        return (self[layer] for layer in range(len(self)))

    @property
    def distinct(self) -> list[PositionEncoding]:
        """Each encoding once, that of the embedding first."""
        return list(self._distinct)  # type: ignore[arg-type]  # a ModuleList of encodings

    @property
    def embedding(self) -> PositionEncoding | None:
        """What is added to the embeddings, or `None`."""
        return None if self._of_embedding is None else self.distinct[self._of_embedding]

    def forward(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> PreparedLayers:
        """Call each encoding once; the arguments are those of `PositionEncoding.prepare`."""
        prepared = [
            encoding(positions, key_positions=key_positions, dtype=dtype)
            for encoding in self.distinct
        ]
        return PreparedLayers(
            None if self._of_embedding is None else prepared[self._of_embedding],
            [prepared[place] for place in self._of_layer],
        )

    def prepare(self, positions: Tensor, **named: Any) -> PreparedLayers:
        """The same as the call."""
        return self(positions, **named)

    def heads(self, start: int, stop: int) -> "PerLayer":
        """Of each encoding those heads, as `PositionEncoding.heads` gives them."""
        parts = [encoding.heads(start, stop) for encoding in self.distinct]
        return PerLayer(
            [parts[place] for place in self._of_layer],
            embedding=None if self._of_embedding is None else parts[self._of_embedding],
        )

    def embed(self, x: Tensor, prepared: PreparedLayers) -> Tensor:
        """Add position to the embeddings `x` `[batch, seq, dim]`, before the first layer."""
        if not isinstance(prepared, PreparedLayers):
            raise ArgumentTypeError(
                f"embed() of PerLayer takes what PerLayer returned, got {type(prepared).__name__}; "
                "pass encodings(positions)"
            )
        return x if self.embedding is None else self.embedding.embed(x, prepared.embedding)


def _place(encoding: PositionEncoding, among: Sequence[PositionEncoding]) -> int:
    return next(place for place, known in enumerate(among) if known is encoding)

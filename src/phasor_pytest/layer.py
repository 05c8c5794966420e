"""A layer of a model, the least that uses an encoding wherever it enters."""

# ruff: noqa: D103

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

import phasor
from phasor.attention.choice import AttentionImpl
from phasor.encodings.catalogue import ModelShape

# Six heads: not a power of two, and three to each key head.
DIM, HEADS, KV_HEADS, HEAD_DIM = 48, 6, 2, 8
LONGEST = 64
SHAPE = ModelShape(dim=DIM, head_dim=HEAD_DIM, num_heads=HEADS, num_positions=LONGEST)


@dataclass
class Cache:
    """Keys, as the encoding turned them, with values and positions.

    An encoding that looks at content gets the keys as projected, and its features of them.
    """

    key: Tensor
    value: Tensor
    positions: Tensor
    features: Any = None


class Layer(nn.Module):
    """The least that uses all three sites: embed, project, attend."""

    def __init__(self, encoding: phasor.PositionEncoding) -> None:
        super().__init__()
        self.encoding = encoding
        generator = torch.Generator().manual_seed(0)
        width = (HEADS + 2 * KV_HEADS) * HEAD_DIM
        weight = torch.randn(width, DIM, generator=generator) * DIM**-0.5
        self.projection = nn.Parameter(weight)

    @property
    def scores(self) -> bool:
        """Whether the encoding does something to scores."""
        return "score" in self.encoding.sites

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = True,
        impl: AttentionImpl = "auto",
    ) -> Tensor:
        prepared = self.encoding(positions, dtype=x.dtype)
        x = self.encoding.embed(x, prepared)
        query, key, value = self.project(x)
        return phasor.attention(
            query,
            key,
            value,
            self.encoding,
            prepared=prepared,
            features=self.encoding.observe(x),
            mask=mask,
            causal=causal,
            impl=impl,
        )

    def decode(self, x: Tensor, position: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        """One token with a cache of turned keys, as an engine does it: hooks, then attention."""
        prepared = self.encoding(position, dtype=x.dtype)
        x = self.encoding.embed(x, prepared)
        query, key, value = self.project(x)
        if self.encoding.looks_at:
            return self._decode_by_content(x, query, key, value, position, cache)
        query, turned = self.encoding.rotate(query, key, prepared)
        assert turned is not None
        key = turned
        if cache is not None:
            key = torch.cat((cache.key, key), 2)
            value = torch.cat((cache.value, value), 2)
            positions = torch.cat((cache.positions, position), -1)
        else:
            positions = position
        scored = self.encoding(position, key_positions=positions, dtype=x.dtype)
        wide_key = key.repeat_interleave(HEADS // KV_HEADS, 1)
        score = query @ wide_key.transpose(-1, -2) * HEAD_DIM**-0.5
        score_mod = self.encoding.score_mod(scored)
        if score_mod is not None:
            index = [
                torch.arange(size).view([-1 if axis == at else 1 for at in range(4)])
                for axis, size in enumerate(score.shape)
            ]
            score = score_mod(score, *index)
        out = score.softmax(-1) @ value.repeat_interleave(HEADS // KV_HEADS, 1)
        return out, Cache(key, value, positions)

    def _decode_by_content(
        self,
        x: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        position: Tensor,
        cache: Cache | None,
    ) -> tuple[Tensor, Cache]:
        new = Cache(key, value, position, self.encoding.observe(x))
        if cache is not None:
            new = Cache(
                torch.cat((cache.key, key), 2),
                torch.cat((cache.value, value), 2),
                torch.cat((cache.positions, position), -1),
                tree_map(
                    lambda old, new: None if old is None else torch.cat((old, new), 1),
                    cache.features,
                    new.features,
                ),
            )
        out = phasor.attention(
            query,
            new.key,
            new.value,
            self.encoding,
            positions=position,
            key_positions=new.positions,
            features=new.features,
        )
        return out, new

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads = (x @ self.projection.to(x.dtype).T).unflatten(-1, (-1, HEAD_DIM)).transpose(1, 2)
        query, key, value = heads.split((HEADS, KV_HEADS, KV_HEADS), 1)
        return query, key, value


def embeddings(batch: int = 2, seq: int = 13, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, seq, DIM, generator=torch.Generator().manual_seed(1)).to(dtype)

"""Every encoding that the contract holds for. A new encoding passes by being listed here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import phasor

DIM, HEADS, KV_HEADS, HEAD_DIM = 48, 6, 2, 8
LONGEST = 64

# Six heads: not a power of two, and three to each key head.
CASES: dict[str, Callable[[], phasor.PositionEncoding]] = {
    "none": phasor.NoPE,
    "sinusoidal": lambda: phasor.Sinusoidal(DIM),
    "sinusoidal-half": lambda: phasor.Sinusoidal(DIM, layout="half", rms=0.5),
    "learned": lambda: phasor.Learned(LONGEST, DIM, rms=0.5),
    "rotary": lambda: phasor.Rotary(HEAD_DIM),
    "rotary-interleaved": lambda: phasor.Rotary(HEAD_DIM, layout="interleaved"),
    "rotary-partial": lambda: phasor.Rotary(HEAD_DIM, rotary_dim=4, base=100.0),
    "rotary-partial-interleaved": lambda: phasor.Rotary(
        HEAD_DIM, rotary_dim=4, layout="interleaved"
    ),
    "rotary-trailing": lambda: phasor.Rotary(HEAD_DIM, rotary_dim=4, rotary_slice="trailing"),
    "rotary-yarn": lambda: phasor.Rotary(
        HEAD_DIM,
        scaling=phasor.scaling.yarn(
            factor=40, original_seq_len=8, mscale=1.0, mscale_all_dim=0.5, scale_softmax=True
        ),
    ),
    "rotary-dynamic-ntk": lambda: phasor.Rotary(
        HEAD_DIM, scaling=phasor.scaling.dynamic_ntk(factor=2, original_seq_len=8)
    ).at(LONGEST),
    "rotary-proportional": lambda: phasor.Rotary(
        HEAD_DIM, frequencies=phasor.proportional(HEAD_DIM, 0.5)
    ),
    "rotary-float32": lambda: phasor.Rotary(HEAD_DIM, precision="float32"),
    "alibi": lambda: phasor.ALiBi(HEADS),
    "compose": lambda: phasor.Compose(
        phasor.Sinusoidal(DIM), phasor.Rotary(HEAD_DIM), phasor.ALiBi(HEADS)
    ),
    "compose-two-scores": lambda: phasor.Compose(phasor.ALiBi(HEADS), phasor.ALiBi(HEADS)),
}


def covers(catalogue: Iterable[type[phasor.PositionEncoding]]) -> bool:
    """Whether every encoding of the catalogue is listed."""
    return {type(make()) for make in CASES.values()} >= set(catalogue)


@dataclass
class Cache:
    """Keys, as the encoding turned them, with values and positions."""

    key: Tensor
    value: Tensor
    positions: Tensor


class Layer(nn.Module):
    """The least that uses all three sites: embed, project, attend."""

    def __init__(self, encoding: phasor.PositionEncoding) -> None:
        super().__init__()
        self.encoding = encoding
        generator = torch.Generator().manual_seed(0)
        width = (HEADS + 2 * KV_HEADS) * HEAD_DIM
        weight = torch.randn(width, DIM, generator=generator) * DIM**-0.5
        self.projection = nn.Parameter(weight)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = True,
        impl: str = "auto",
    ) -> Tensor:
        prepared = self.encoding.prepare(positions, dtype=x.dtype)
        query, key, value = self.project(self.encoding.embed(x, prepared))
        return phasor.attention(
            query,
            key,
            value,
            self.encoding,
            prepared=prepared,
            mask=mask,
            causal=causal,
            impl=impl,
        )

    def decode(self, x: Tensor, position: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        """One token with a cache of turned keys, as an engine does it: hooks, then attention."""
        prepared = self.encoding.prepare(position, dtype=x.dtype)
        query, key, value = self.project(self.encoding.embed(x, prepared))
        query, key = self.encoding.rotate(query, key, prepared)
        if cache is not None:
            key = torch.cat((cache.key, key), 2)
            value = torch.cat((cache.value, value), 2)
            positions = torch.cat((cache.positions, position), -1)
        else:
            positions = position
        scored = self.encoding.prepare(position, key_positions=positions, dtype=x.dtype)
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

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads = (x @ self.projection.to(x.dtype).T).unflatten(-1, (-1, HEAD_DIM)).transpose(1, 2)
        query, key, value = heads.split((HEADS, KV_HEADS, KV_HEADS), 1)
        return query, key, value


def embeddings(batch: int = 2, seq: int = 13, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, seq, DIM, generator=torch.Generator().manual_seed(1)).to(dtype)

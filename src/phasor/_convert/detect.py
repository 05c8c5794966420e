r"""Telling the layout of a trained checkpoint from its weights.

Rotation mixes the two channels of a pair by every angle, so training treats them alike, and the
norms of their two rows become similar; pairs of other frequencies have other norms. For each head
of query and key, with $n_c$ the norm of the row of channel $c$,

$$ D_P = \frac{1}{|P|}\sum_{(a,b)\in P} |\log n_a - \log n_b| $$

is compared with the same sum over random pairings of the head's channels. Frequencies fall from
pair to pair, so neighbours are similar in either layout; channels half a head apart are similar
only if they form a pair. A head therefore speaks

- for `half` if the distance of channels half a head apart is below that of nearly all random ones;
- for `interleaved` if that of neighbours is, and that of channels half a head apart is ordinary.

A head of random weights speaks for neither. Which way a model turns leaves no trace in norms.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from phasor._convert.source import Source
from phasor._convert.turning import DTYPES, Turning, turning_of
from phasor.errors import ArgumentError

_PAIRINGS = 400
# A random pairing is this close with this probability, and so is a random head by chance.
_CHANCE = 0.01
# Channels half a head apart are ordinary if they are no closer than this share of random pairings.
_ORDINARY = 0.25
# Of the heads, so many must speak for a layout, and this many times as many as for the other.
_LEAST_SHARE, _LEAST_RATIO = 0.25, 4.0


@dataclass(frozen=True)
class Detection:
    """What the weights say.

    Args:
        layout: The layout, or `None` where they do not tell.
        confidence: Share of the heads with an opinion that have this one; 0 where none is told.
        half: Heads that speak for `half`.
        interleaved: Heads that speak for `interleaved`.
        heads: Heads that were looked at, of query and key in all layers.
    """

    layout: Literal["half", "interleaved"] | None
    confidence: float
    half: int
    interleaved: int
    heads: int

    def sentence(self) -> str:
        """For people."""
        votes = (
            f"{self.half} of {self.heads} heads speak for half, {self.interleaved} for interleaved"
        )
        if self.layout is None:
            return f"cannot tell: {votes}; are these trained weights?"
        return f"{self.layout}, confidence {self.confidence:.0%}: {votes}"


def detect(source: Source) -> Detection:
    """Look at every query and key projection of a checkpoint."""
    votes = torch.zeros(2, dtype=torch.int64)
    heads = 0
    generator = torch.Generator().manual_seed(0)
    for entry in source.entries:
        turning = turning_of(entry, source.heads)
        if turning is None or turning.part == "norm" or not entry.name.endswith(".weight"):
            continue
        if ".lora_" in entry.name:
            continue
        if entry.dtype not in DTYPES:
            raise ArgumentError(
                f"{entry.name} is {entry.dtype}; the layout is told from weights of 16 bits or more"
            )
        rotary_dim = source.heads.rotary_dim or turning.head_dim
        trailing = source.heads.rotary_slice == "trailing"
        norms = _log_norms(turning)
        norms = norms[:, -rotary_dim:] if trailing else norms[:, :rotary_dim]
        votes += _votes(norms, generator)
        heads += len(norms)
    if heads == 0:
        raise ArgumentError(f"no tensor in {source.folder} is a projection of query or key")
    return _verdict(int(votes[0]), int(votes[1]), heads)


def _verdict(half: int, interleaved: int, heads: int) -> Detection:
    layout: Literal["half", "interleaved"] | None = None
    confidence = 0.0
    most, least = max(half, interleaved), min(half, interleaved)
    if most >= _LEAST_SHARE * heads and most >= _LEAST_RATIO * least:
        layout = "half" if half > interleaved else "interleaved"
        confidence = most / (half + interleaved)
    return Detection(layout, confidence, half, interleaved, heads)


def _log_norms(turning: Turning) -> Tensor:
    """Of the rows of each head that turns, `[heads, head_dim]`."""
    dtype = DTYPES[turning.entry.dtype]
    norms = torch.empty(sum(turning.turns), turning.head_dim, dtype=torch.float64)
    turning_blocks = (block for turns, block in turning.blocks() if turns)
    for block, result in zip(turning_blocks, norms, strict=True):
        rows = torch.frombuffer(block, dtype=dtype).view(turning.head_dim, -1)
        torch.linalg.vector_norm(rows.double(), dim=1, out=result)
    return norms.clamp(min=1e-30).log()


def _votes(norms: Tensor, generator: torch.Generator) -> Tensor:
    """How many heads speak for `half` and for `interleaved`."""
    channels = norms.shape[1]
    half = (norms[:, : channels // 2] - norms[:, channels // 2 :]).abs().mean(1)
    interleaved = (norms[:, ::2] - norms[:, 1::2]).abs().mean(1)
    orders = torch.rand(_PAIRINGS, channels, generator=generator).argsort(1)
    shuffled = norms[:, orders]
    random = (shuffled[..., ::2] - shuffled[..., 1::2]).abs().mean(-1)
    # Equal norms, such as those of rows of zeros, are close in every pairing and say nothing.
    close, ordinary = random.quantile(torch.tensor([_CHANCE, _ORDINARY]).to(random), dim=1)
    speaks_half = half < close
    speaks_interleaved = (interleaved < close) & (half >= ordinary)
    return torch.stack((speaks_half.sum(), speaks_interleaved.sum()))

"""What padding on the left changes if the positions count it as well."""

from typing import Any

import torch
from picture import picture, series
from torch import Tensor

import phasor

_DIM, _HEADS, _LENGTH = 64, 4, 16
_PADS = [0, 1, 2, 4, 8, 16, 32, 64]


def encodings() -> dict[str, phasor.PositionEncoding]:
    """Two that are added and two that know distances alone."""
    return {
        "learned": phasor.Learned(128, _DIM, rms=1.0).double(),
        "sinusoidal": phasor.Sinusoidal(_DIM),
        "rotary": phasor.Rotary(_DIM // _HEADS),
        "ALiBi": phasor.ALiBi(_HEADS),
    }


def last(
    encoding: phasor.PositionEncoding, x: Tensor, weights: Tensor, positions: Tensor, mask: Tensor
) -> Tensor:
    """The last token's output of one layer of attention with random weights."""
    prepared = encoding(positions, dtype=x.dtype)
    projected = encoding.embed(x, prepared) @ weights
    heads = projected.unflatten(-1, (3, _HEADS, -1)).unbind(2)
    query, key, value = (part.transpose(1, 2) for part in heads)
    out = phasor.attention(
        query, key, value, encoding, prepared=prepared, mask=mask[:, None, None, :]
    )
    return out[0, :, -1].flatten()


@torch.no_grad()
def make() -> dict[str, Any]:
    """Change of the output over its norm: counted from the padding, and from the first token."""
    torch.manual_seed(0)
    tokens = torch.randn(1, _LENGTH, _DIM, dtype=torch.float64)
    weights = torch.randn(_DIM, 3 * _DIM, dtype=torch.float64) / _DIM**0.5
    mended = [0.0] * len(_PADS)
    curves = []
    for name, encoding in encodings().items():
        here = torch.ones(1, _LENGTH).bool()
        alone = last(encoding, tokens, weights, torch.arange(_LENGTH), here)
        changes = []
        for at, pad in enumerate(_PADS):
            padded = torch.cat((torch.randn(1, pad, _DIM, dtype=torch.float64), tokens), 1)
            mask = torch.arange(pad + _LENGTH)[None] >= pad
            for_all = torch.arange(pad + _LENGTH)
            from_mask = phasor.positions.from_mask(mask)
            wrong, right = (
                (last(encoding, padded, weights, where, mask) - alone).norm() / alone.norm()
                for where in (for_all, from_mask)
            )
            changes.append(_or_zero(wrong.item()))
            mended[at] = max(mended[at], _or_zero(right.item()))
        curves.append(series(f"{name}, padding counted", changes))
    curves.append(series("all four, positions from the mask", mended))
    return picture(
        "Change of the last token's output by padding on the left, as a share of its norm",
        x=("tokens of padding", _PADS),
        y="change of the output",
        curves=curves,
        command="python docs/learn/data/make.py padding",
    )


def _or_zero(change: float) -> float:
    """Less than float64 can tell is nothing, on any machine."""
    return change if change > 1e-12 else 0.0

"""How well a linear map reads the position of a token out of a model that nobody trained."""

from typing import Any

import torch
from picture import picture, series

import phasor
from phasor._compare.model import Decoder

_VOCABULARY, _WIDTH, _HEADS, _LAYERS = 256, 64, 4, 4
_TRAIN, _TEST, _LENGTH, _SEEDS = 256, 64, 64, 3


@torch.no_grad()
def explained(seed: int, *, causal: bool) -> list[float]:
    """Share of the variance of positions (R², held-out sequences) after 0, 1, 2, ... layers."""
    torch.manual_seed(seed)
    model = Decoder(
        phasor.NoPE(),
        vocab_size=_VOCABULARY,
        width=_WIDTH,
        num_layers=_LAYERS,
        num_heads=_HEADS,
    ).double()
    tokens = torch.randint(1, _VOCABULARY, (_TRAIN + _TEST, _LENGTH))
    tokens[:, 0] = 0  # a token that is only ever first, as in language models
    positions = torch.arange(_LENGTH)
    prepared = model.encoding(positions, dtype=torch.float64)
    x = model.embedding(tokens)
    shares = [_held_out(x)]
    for block, ready in zip(model.blocks, prepared.layers, strict=True):
        x = block(x, model.encoding[0], ready, causal)
        shares.append(_held_out(x))
    return shares


def _held_out(x: torch.Tensor) -> float:
    # The first token tells by itself: it is left out.
    x = torch.nn.functional.rms_norm(x, x.shape[-1:])[:, 1:]
    inputs = torch.cat((x, torch.ones_like(x[..., :1])), -1)
    target = torch.arange(1.0, _LENGTH, dtype=x.dtype).expand(len(x), -1)[..., None]
    train, test = inputs[:_TRAIN].flatten(0, 1), inputs[_TRAIN:]
    weight = torch.linalg.lstsq(train, target[:_TRAIN].flatten(0, 1)).solution
    error = (test @ weight - target[_TRAIN:]).square().mean()
    return 1 - (error / target[0].var(correction=0)).item()


def make() -> dict[str, Any]:
    """Without an encoding, with and without a causal mask: least and most of three seeds."""
    curves = []
    for name, causal in (("causal mask", True), ("no mask", False)):
        seeds = torch.tensor([explained(seed, causal=causal) for seed in range(_SEEDS)])
        least, most = seeds.aminmax(dim=0)
        curves.append(series(name, seeds.mean(0).tolist(), least.tolist(), most.tolist()))
    return picture(
        "How much of a position a linear map reads from an untrained model without an encoding",
        x=("layers passed", list(range(_LAYERS + 1))),
        y="share of variance explained, held-out",
        curves=curves,
        command="python docs/learn/data/make.py probe",
    )

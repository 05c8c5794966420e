"""Models that read no position at all: the order of what a token sees makes no difference to it."""

from typing import Any

import torch
from checkpoints.proof import ATOL, Proof
from checkpoints.seams import Seams
from checkpoints.tiny import SEQ, Subject
from torch import Tensor, nn

from phasor._read.reader import examine


def prove_nothing(subject: Subject) -> Proof:
    """Run a tiny model whose spec is empty, with the tokens before the last in another order.

    Where `positions` is "elsewhere", in weights of their own for each, all that is shown is that
    nothing turns.
    """
    config, model = subject.build()
    spec, proof = examine(config).spec, Proof()
    if spec.embedding is not None or any(layer.encodings for layer in spec.layers):
        proof.differs(f"{spec.model} has a position")
    inputs = subject.some_inputs()
    with Seams(model) as seams, torch.no_grad():
        first = _last(model, inputs)
        if seams.turns:
            proof.differs("something turns")
        proof.compared = len(seams.attentions)
        if subject.positions != "elsewhere":
            order = torch.cat((torch.arange(SEQ - 1).flip(0), torch.tensor([SEQ - 1])))
            second = _last(model, {name: value[:, order] for name, value in inputs.items()})
            if (first - second).abs().max() > ATOL:
                proof.differs("the order of tokens makes a difference")
    return proof


def _last(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """What comes out for the last token."""
    out: Any = model(**inputs, use_cache=False)
    return out[0][:, -1]

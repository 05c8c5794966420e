"""What encodings that look at a layer's input share: projections of it, and a short convolution."""

import torch
from torch import Tensor, nn

from phasor.encodings._bases.score import ScorePositions
from phasor.errors import ArgumentError
from phasor.positions import check_covers


def check_hidden(hidden: Tensor, dim: int, *, owner: str) -> None:
    """Raise unless `hidden` has the `dim` channels for which `owner` was built."""
    if hidden.shape[-1] != dim:
        raise ArgumentError(
            f"{owner} was built for inputs of {dim} channels, got shape {list(hidden.shape)}; "
            f"build it with dim={hidden.shape[-1]}"
        )


def check_tokens(
    positions: ScorePositions, query: Tensor, key: Tensor, features: Tensor, *, owner: str
) -> None:
    """Raise unless positions and features are those of all keys, and the queries their last."""
    batch, key_seq = len(key), key.shape[2]
    check_covers(positions.query, batch=batch, seq=query.shape[2], owner=owner, what="query")
    check_covers(positions.key, batch=batch, seq=key_seq, owner=owner, what="key")
    if features.shape[0] != batch or features.shape[1] != key_seq:
        raise ArgumentError(
            f"{owner} needs features of all {key_seq} keys in a batch of {batch}, got shape "
            f"{list(features.shape)}; append those of new tokens to those of earlier ones"
        )
    if query.shape[2] > key_seq:
        raise ArgumentError(
            f"{owner} takes the queries for the last of the keys, but there are {query.shape[2]} "
            f"queries and only {key_seq} keys; pass the cached keys as well"
        )


def project(hidden: Tensor, *weights: Tensor) -> Tensor:
    """`hidden` `[..., dim]` times one matrix after another, in float64.

    So neither autocast nor TF32 reach what adds up over the tokens in between.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        hidden = hidden.double()
        for weight in weights:
            hidden = hidden @ weight.double().T
    return hidden


def unit_length(x: Tensor) -> Tensor:
    r"""$x / \sqrt{\lVert x \rVert^2 + 10^{-6}}$ along the last axis.

    As in flash-linear-attention, so that the gradient at zero, of padding say, stays moderate.
    """
    return x / (x.square().sum(-1, keepdim=True) + 1e-6).sqrt()


def convolve(x: Tensor, taps: Tensor, positions: Tensor) -> Tensor:
    r"""Each token and those right before it, weighted per channel: $\sum_j a_{W-1-j}\,x_{t-j}$.

    A token counts as before another one if positions rise from it on: a document that restarts at 0
    does not see the one before, nor padding.

    Args:
        x: `[batch, seq, channels]`.
        taps: $a$, `[channels, width]`, that of the token itself last, as in `torch.nn.Conv1d`.
        positions: `[seq]` or `[batch, seq]`.

    Returns:
        Same shape and dtype as `x`.
    """
    taps = taps.to(x.dtype)
    width = taps.shape[-1]
    rises = positions[..., 1:] > positions[..., :-1]
    rises = nn.functional.pad(rises, (1, 0), value=False).expand(x.shape[:2]).unsqueeze(-1)
    total, before, reached = x * taps[:, -1], x, torch.ones_like(rises)
    for lag in range(1, width):
        reached = rises & _earlier(reached)
        before = _earlier(before)
        total = total + (before * taps[:, width - 1 - lag]).where(reached, 0.0)
    return total


def draw_linear(weight: nn.Parameter, fan_in: int) -> None:
    """Draw `weight` as `torch.nn.Linear` and `Conv1d` draw theirs."""
    nn.init.uniform_(weight, -(fan_in**-0.5), fan_in**-0.5)


def _earlier(x: Tensor) -> Tensor:
    """What was one token before, along the second axis; zeros before the first."""
    return nn.functional.pad(x, (0, 0, 1, 0))[:, : x.shape[1]]

"""Attention as it is written down: scores, softmax, values. The judge of the other ways."""

import math

import torch
from torch import Tensor

from phasor.attention.call import Call
from phasor.attention.scores import scores


def reference(call: Call) -> Tensor | tuple[Tensor, Tensor]:
    """All scores at once, in float32 at least."""
    seq, key_seq = call.shape[2:]
    return plain_block(call, call.query, call.key, call.value, (0, seq), (0, key_seq))


def plain_block(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rows: tuple[int, int],
    keys: tuple[int, int],
) -> Tensor | tuple[Tensor, Tensor]:
    """Of `query`, `key` and `value`, which are the `rows` and `keys` of those of `call`."""
    score = scores(query, key, call.score_mod, call.scale, first_query=rows[0], first_key=keys[0])
    if call.softcap is not None:
        score = call.softcap * torch.tanh(score / call.softcap)
    allowed = call.allowed.block(rows, keys, query.device)
    if allowed is None:
        weight = score.softmax(-1)
    else:
        # A row without any allowed key has no softmax; zeros keep its gradient finite too.
        score = score.masked_fill(~allowed, torch.finfo(score.dtype).min)
        weight = score.softmax(-1).masked_fill(~allowed, 0.0)
    value = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
    with torch.autocast(query.device.type, enabled=False):
        out = (weight @ value.to(score.dtype)).to(query.dtype)
    if not call.lse:
        return out
    lse = score.logsumexp(-1)
    return out, lse if allowed is None else lse.where(allowed.any(-1), -math.inf)

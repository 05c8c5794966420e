"""Attention of one block of queries after the other, so that no bias is ever there as a whole."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from phasor.attention.call import Call
from phasor.attention.fused import fused_block
from phasor.attention.reference import plain_block
from phasor.rotary.phase import table_dtype

BLOCK_BYTES = 8 * 2**20
"""What the scores of one block take, about: small beside query, key and value of a long text, and
enough that what is done to a block outweighs the call that does it."""

LEAST_ROWS = 16
"""Of a block, however large the batch: fewer would read all keys for hardly any queries."""

_GRID = 16
"""Keys are cut at so many places at most: each cut costs a backward pass a tensor of zeros."""

_LEAST_STEP = 128
"""Keys between two cuts, however narrow the window."""


class Block(NamedTuple):
    """Queries, and the keys that they can see: from and before two indices each."""

    rows: tuple[int, int]
    keys: tuple[int, int]


def blockwise(call: Call) -> Tensor:
    """Each block by fused attention if a mask can say what happens to its scores, else plainly.

    A backward pass computes each block anew, so that training needs no more memory either.
    """
    batch, num_heads, seq, key_seq = call.shape
    attend = fused_block if call.is_additive else plain_block
    if fits_one_block(call):
        return attend(call, call.query, call.key, call.value, (0, seq), (0, key_seq))
    plan = blocks(call, _scores_per_block(call) // (batch * num_heads))
    # One split, not a slice for each block: the gradient of a slice has the size of the whole.
    queries = call.query.split([end - start for (start, end), _ in plan], dim=2)
    cut: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    parts = []
    for query, (rows, keys) in zip(queries, plan, strict=True):
        if keys not in cut:
            cut[keys] = call.key[:, :, keys[0] : keys[1]], call.value[:, :, keys[0] : keys[1]]
        parts.append(_forgetting(partial(attend, call, rows=rows, keys=keys), query, *cut[keys]))
    return torch.cat(parts, dim=2)


def fits_one_block(call: Call) -> bool:
    """Whether all scores together are few enough that one block holds them."""
    # A branch, because under torch.compile a truth value of sizes may be symbolic.
    if math.prod(call.shape) <= _scores_per_block(call):  # noqa: SIM103
        return True
    return False


def blocks(call: Call, area: int) -> list[Block]:
    """Blocks of about `area` pairs of query and key, that cover all pairs which can meet.

    An encoding that needs a row has all keys from the first one on.
    """
    _, _, seq, key_seq = call.shape
    past, causal, window, *_ = call.allowed
    step = -(-key_seq // _GRID)
    if window is not None:
        step = min(step, max(window, _LEAST_STEP))
    reach = key_seq if window is None else window - 1
    plan, start = [], 0
    while start < seq:
        first = (
            0 if call.encoding.score_needs_row else min(max(start + past - reach, 0), key_seq - 1)
        )
        first -= first % step
        # Up to the next cut, so that blocks between two cuts have one size: the memory of one
        # serves the next.
        sight = start + past + 1 + (0 if causal else reach)
        cut = min(max(-(-sight // step) * step, first + 1), key_seq)
        rows = max(area // (cut - first), LEAST_ROWS)
        if cut < key_seq:
            rows = min(rows, max(cut - sight + 1, 1))
        end, last = min(start + rows, seq), cut
        plan.append(Block((start, end), (first, last)))
        start = end
    return plan


def _forgetting(attend: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """What `attend` makes of `tensors`, and anew when a backward pass comes by."""
    return checkpoint(attend, *tensors, use_reentrant=False, preserve_rng_state=False)


def _scores_per_block(call: Call) -> int:
    return BLOCK_BYTES // table_dtype(call.query.dtype).itemsize

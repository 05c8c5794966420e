"""Attention of one block of queries after the other, so that no bias is ever there as a whole."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten
from torch.utils.checkpoint import checkpoint

from phasor.attention.call import Call
from phasor.attention.fused import fused_block
from phasor.attention.reference import plain_block
from phasor.rotary.phase import table_dtype

BLOCK_BYTES = 4 * 2**20
"""What the scores of one block take, about: small beside query, key and value of a long text, and
enough that what is done to a block outweighs the call that does it."""

LEAST_ROWS = 8
"""Of a block, however large the batch: fewer would read all keys for hardly any queries."""

_GRID = 16
"""Keys are cut at so many places at most: each cut costs a backward pass a tensor of zeros."""

_LEAST_STEP = 128
"""Keys between two cuts, however narrow the window."""


class Block(NamedTuple):
    """Queries, and the keys that they can see: from and before two indices each."""

    rows: tuple[int, int]
    keys: tuple[int, int]


def blockwise(call: Call) -> Tensor | tuple[Tensor, Tensor]:
    """Each block by fused attention if a mask can say what happens to its scores, else plainly.

    A backward pass computes each block anew, so that training needs no more memory either.
    """
    batch, num_heads, seq, key_seq = call.shape
    attend: Any = fused_block if call.is_additive and not call.lse else plain_block
    if fits_one_block(call):
        return attend(call, call.query, call.key, call.value, (0, seq), (0, key_seq))
    plan = blocks(call, _scores_per_block(call) // (batch * num_heads))
    if torch.compiler.is_compiling() or call.lse:
        return _traced(call, attend, plan)
    leaves, structure = tree_flatten(call.prepared)
    learned = [at for at, leaf in enumerate(leaves) if _is_learned(leaf)]
    job = _Job(call, attend, plan, leaves, structure, learned)
    return _Blocks.apply(job, call.query, call.key, call.value, *(leaves[at] for at in learned))


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
    if call.allowed.query_index is not None:
        # Which keys a query can see is known to its index alone: each block has all of them.
        causal, window = False, None
    step = -(-key_seq // _GRID)
    if window is not None:
        step = min(step, max(window, _LEAST_STEP))
    # Without a window all keys are in reach, also of the first of more queries than keys.
    reach = seq + key_seq if window is None else window - 1
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


class _Job(NamedTuple):
    """What is to be done, apart from the tensors that gradients may flow to.

    Args:
        call: The whole of it.
        attend: Computes one block.
        plan: The blocks.
        leaves: What was prepared, as a flat list.
        structure: That of what was prepared.
        learned: Places of the leaves that gradients flow to.
    """

    call: Call
    attend: Callable[..., Tensor]
    plan: list[Block]
    leaves: list[Any]
    structure: TreeSpec
    learned: list[int]

    def with_learned(self, values: Sequence[Tensor]) -> Call:
        """The call with a `score_mod` that is made of `values` instead."""
        if not self.learned:
            return self.call
        leaves = list(self.leaves)
        for at, value in zip(self.learned, values, strict=True):
            leaves[at] = value
        prepared = tree_unflatten(leaves, self.structure)
        return self.call._replace(
            prepared=prepared, score_mod=self.call.encoding.score_mod(prepared)
        )


class _Blocks(torch.autograd.Function):
    """All blocks into one result that is there from the start, and their gradients likewise.

    Small results that outlive the large steps between them would keep the C library from joining
    what those steps give back: memory then grows with the number of blocks.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, job: _Job, query: Tensor, key: Tensor, value: Tensor, *learned: Tensor
    ) -> Tensor:
        ctx.job = job
        ctx.save_for_backward(query, key, value, *learned)
        out = query.new_empty((*query.shape[:3], value.shape[3]))
        call = job.with_learned([leaf.detach() for leaf in learned])
        for rows, keys in job.plan:
            out[:, :, rows[0] : rows[1]] = job.attend(
                call,
                query[:, :, rows[0] : rows[1]],
                key[:, :, keys[0] : keys[1]],
                value[:, :, keys[0] : keys[1]],
                rows,
                keys,
            )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        job, tensors = ctx.job, [tensor.detach() for tensor in ctx.saved_tensors]
        wanted = ctx.needs_input_grad[1:]
        grads = [torch.zeros_like(x) if w else None for x, w in zip(tensors, wanted, strict=True)]
        learned = [x.requires_grad_(w) for x, w in zip(tensors[3:], wanted[3:], strict=True)]
        call = job.with_learned(learned)
        for rows, keys in job.plan:
            places = (slice(*rows), slice(*keys), slice(*keys))
            inputs = [
                x[:, :, place].detach().requires_grad_(w)
                for x, place, w in zip(tensors[:3], places, wanted[:3], strict=True)
            ]
            with torch.enable_grad():
                out = job.attend(call, *inputs, rows, keys)
            asked = [x for x in (*inputs, *learned) if x.requires_grad]
            found = iter(
                torch.autograd.grad(
                    out,
                    asked,
                    grad_out[:, :, places[0]],
                    allow_unused=True,
                    # What was prepared may have been worked on once for all blocks.
                    retain_graph=bool(job.learned),
                )
            )
            for grad, place in zip(grads, (*places, *[slice(None)] * len(learned)), strict=True):
                part = None if grad is None else next(found)
                if grad is not None and part is not None:
                    (grad[:, :, place] if place != slice(None) else grad).add_(part)
        return None, *grads


def _traced(
    call: Call, attend: Callable[..., Any], plan: list[Block]
) -> Tensor | tuple[Tensor, Tensor]:
    """The same for a compiler, which plans memory itself, or for two results.

    A backward pass computes blocks anew.
    """
    # One split, not a slice for each block: the gradient of a slice has the size of the whole.
    queries = call.query.split([end - start for (start, end), _ in plan], dim=2)
    parts: list[Any] = []
    for query, (rows, keys) in zip(queries, plan, strict=True):
        parts.append(
            checkpoint(
                partial(attend, call, rows=rows, keys=keys),
                query,
                call.key[:, :, keys[0] : keys[1]],
                call.value[:, :, keys[0] : keys[1]],
                use_reentrant=False,
                preserve_rng_state=False,
            )
        )
    if call.lse:
        outs, lses = zip(*parts, strict=True)
        return torch.cat(outs, dim=2), torch.cat(lses, dim=2)
    return torch.cat(parts, dim=2)


def _is_learned(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad and torch.is_grad_enabled()


def _scores_per_block(call: Call) -> int:
    return BLOCK_BYTES // table_dtype(call.query.dtype).itemsize

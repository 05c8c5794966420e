"""PyTorch's fused attention, with all that is added to a score as its mask."""

import torch
from torch import Tensor
from torch.nn import functional

from phasor.attention.call import Call
from phasor.attention.scores import modified
from phasor.rotary.phase import table_dtype


def fused(call: Call) -> Tensor:
    """One call of it; a mask or bias of all queries and keys where there is one."""
    seq, key_seq = call.shape[2:]
    # PyTorch's is_causal aligns the first query with the first key: right only for equal lengths.
    # (Branches, because under torch.compile a truth value of sizes may be symbolic.)
    if call.is_plain and call.allowed.causal and seq == key_seq:
        return _attend(call, call.query, call.key, call.value, None, is_causal=True)
    return fused_block(call, call.query, call.key, call.value, (0, seq), (0, key_seq))


def fused_block(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rows: tuple[int, int],
    keys: tuple[int, int],
) -> Tensor:
    """Of `query`, `key` and `value`, which are the `rows` and `keys` of those of `call`."""
    allowed = call.allowed
    if call.shape[2] == 1 and allowed.query_index is None:
        # A single query is the last: it sees every key.
        allowed = allowed._replace(causal=False)
    bias = allowed.block(rows, keys, query.device)
    if call.score_mod is not None:
        # A bias is what it makes of score 0; of batch size 1 where the batch shares its positions.
        zero = torch.zeros((), dtype=table_dtype(query.dtype), device=query.device)
        shape = (len(query), query.shape[1], query.shape[2], key.shape[2])
        term = modified(zero, call.score_mod, shape, first_query=rows[0], first_key=keys[0])
        bias = term if bias is None else term.masked_fill(~bias, float("-inf"))
    return _attend(call, query, key, value, bias)


def _attend(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    *,
    is_causal: bool = False,
) -> Tensor:
    dtype = query.dtype
    if bias is not None and bias.is_floating_point() and query.device.type != "cpu":
        # Kernels for GPUs want a bias of the query's dtype; rounding it would move far tokens.
        query, key, value = (x.to(bias.dtype) for x in (query, key, value))
    grouped = False
    if query.shape[1] != key.shape[1]:
        grouped = True
    # Autocast would round the bias; query, key and value have the dtype it chose already.
    with torch.autocast(query.device.type, enabled=False):
        # Looked up now: context parallelism puts a function of its own there while it is active.
        return functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=bias,
            is_causal=is_causal,
            scale=call.scale,
            enable_gqa=grouped,
        ).to(dtype)

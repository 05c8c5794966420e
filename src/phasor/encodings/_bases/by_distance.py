"""What the encodings share that make a small table for each query or key and look distances up."""

import torch
from torch import Tensor

from phasor.encodings._bases.heads import check_heads
from phasor.encodings._bases.query_key import check_query_key


def products(x: Tensor, table: Tensor, *, scale: float = 1.0, owner: str) -> Tensor:
    """Products of each vector with each row of a table.

    Args:
        x: `[batch, num_heads, seq, head_dim]`, of any floating dtype.
        table: `[rows, head_dim]`, or `[num_heads, rows, head_dim]`, in float32 at least.
        scale: Of the products.
        owner: For the messages.

    Returns:
        `[batch, num_heads, seq, rows]`, in the dtype of the table.

    Raises:
        ArgumentError: Vectors of other channels or other heads.
        ArgumentTypeError: Vectors in float64 and a table in less.
    """
    check_query_key(x, None, head_dim=table.shape[-1], dtype=table.dtype, owner=owner)
    if table.ndim == 3:
        check_heads(x.shape[1], len(table), owner=owner)
    # Autocast would round both operands, and these products decide between positions.
    with torch.autocast(x.device.type, enabled=False):
        return x.to(table.dtype) @ table.mT * scale


def of_query(
    table: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, row: Tensor
) -> Tensor:
    """`table[batch, head, query_index, row]` of a table `[batch, num_heads, seq, rows]`."""
    if row.ndim != 4:  # one score, as FlexAttention asks
        return table[batch, head, query_index, row]
    # All scores at once: a gather, whose gradient takes a fraction of the time of an index's.
    rows = table[batch, head, query_index].squeeze(3)
    return rows.gather(-1, row.expand(*rows.shape[:3], row.shape[-1]))


def of_key(table: Tensor, batch: Tensor, head: Tensor, key_index: Tensor, row: Tensor) -> Tensor:
    """`table[batch, head, key_index, row]` of a table `[batch, num_heads, key_seq, rows]`."""
    if row.ndim != 4:
        return table[batch, head, key_index, row]
    return of_query(table, batch, head, key_index.mT, row.mT).mT

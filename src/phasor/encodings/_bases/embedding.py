"""What all encodings at the embedding share: adding a table to the embeddings."""

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions import check_covers


def add_table(x: Tensor, table: Tensor, *, owner: str) -> Tensor:
    """`x` `[batch, seq, dim]` plus `table` `[seq, dim]` or `[batch, seq, dim]`, rounded once."""
    if x.ndim != 3 or x.shape[-1] != table.shape[-1]:
        raise ArgumentError(
            f"{owner} adds to embeddings [batch, seq, dim] with dim {table.shape[-1]}, "
            f"got shape {list(x.shape)}"
        )
    if x.dtype == torch.float64 != table.dtype:
        raise ArgumentTypeError(
            f"x is float64 but {owner} was prepared in {table.dtype}; pass dtype=x.dtype to "
            "prepare, and cast the module where it has parameters"
        )
    check_covers(table[..., 0], batch=x.shape[0], seq=x.shape[1], owner=owner, what="x")
    return (x.to(torch.promote_types(x.dtype, table.dtype)) + table).to(x.dtype)

"""What encodings of query and key check before they touch either."""

import torch
from torch import Tensor

from phasor.encodings._bases.heads import for_all_heads
from phasor.errors import ArgumentError, ArgumentTypeError


def check_query_key(
    query: Tensor, key: Tensor | None, *, head_dim: int, dtype: torch.dtype, owner: str
) -> None:
    """Raise unless query and key have `head_dim` channels and no more precision than the tables.

    Args:
        query: `[batch, num_heads, seq, head_dim]`.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`.
        head_dim: What the encoding was built for.
        dtype: Of the tables that it prepared.
        owner: The encoding, for the messages.
    """
    for what, x in (("query", query), ("key", key)):
        if x is None:
            continue
        if x.shape[-1] != head_dim:
            raise ArgumentError(
                f"{owner} was built for head_dim {head_dim}, got a {what} of shape "
                f"{list(x.shape)}; build it with head_dim={x.shape[-1]}"
            )
        if x.dtype == torch.float64 != dtype:
            raise ArgumentTypeError(
                f"{what} is float64 but {owner} was prepared in {dtype}; "
                "pass dtype=torch.float64 to prepare, or cast query and key to one dtype"
            )


def heads_per_group(x: Tensor, num_heads: int, *, owner: str, what: str) -> int:
    """How many heads of `x` share one of `num_heads` sets of numbers (grouped-query attention).

    Raises:
        ArgumentError: `num_heads` does not divide the heads of `x`.
    """
    if x.shape[1] % num_heads:
        raise ArgumentError(
            f"{owner} was built for {num_heads} heads, got a {what} with {x.shape[1]}; "
            + for_all_heads("num_heads equal to the heads of the key")
        )
    return x.shape[1] // num_heads

"""Writing rows into a cache in plain PyTorch: the judge of the fused kernels."""

import torch
from torch import Tensor


def write_rows_reference(rows: Tensor, cache: Tensor, slots: Tensor, *, block_size: int) -> None:
    """Copy `rows` to their slots of `cache`, in place; negative slots are skipped.

    Args:
        rows: `[batch, heads, seq, dim]`.
        cache: `[batch, heads, max_len, dim]`, or `[num_blocks, heads, block_size, dim]`.
        slots: `[batch, seq]`: row in the sequence's cache, or block times `block_size` plus row.
        block_size: 0 if the cache is not paged.
    """
    batch, _, seq, _ = rows.shape
    slots = slots.long().expand(batch, seq)
    if block_size:
        pages, lines = slots // block_size, slots % block_size
    else:
        pages, lines = torch.arange(batch, device=rows.device)[:, None].expand(batch, seq), slots
    kept = slots >= 0
    cache.transpose(1, 2)[pages[kept], lines[kept]] = rows.transpose(1, 2)[kept].to(cache.dtype)

"""Positions of text: padded, packed, and continued after a cache."""

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.positions.checks import check_count, check_integers


def from_mask(mask: Tensor) -> Tensor:
    r"""Number the real tokens of each padded sequence 0, 1, 2, ..., wherever the padding is.

    Args:
        mask: `[batch, seq]`, true (or non-zero) at real tokens, false at padding, on either side.

    Returns:
        Positions `[batch, seq]`, int64. Padding before the first token gets position 0, later
        padding repeats the last position: mask it out of attention.

    Raises:
        ArgumentError: `mask` is not two-dimensional.

    Examples:
        >>> phasor.positions.from_mask(torch.tensor([[0, 0, 1, 1], [1, 1, 1, 0]])).tolist()
        [[0, 0, 0, 1], [0, 1, 2, 2]]
    """
    if mask.ndim != 2:
        raise ArgumentError(
            f"mask must be [batch, seq], got shape {list(mask.shape)}; "
            "pass the two-dimensional padding mask, not the attention mask built from it"
        )
    return (mask.bool().long().cumsum(-1) - 1).clamp_min(0)


def packed(lengths: Tensor) -> tuple[Tensor, Tensor]:
    r"""Positions and document numbers of several documents packed into one row.

    Args:
        lengths: `[documents]`, the number of tokens of each, in order.

    Returns:
        Positions `[tokens]`, which restart at 0 with each document, and document numbers
        `[tokens]`; both int64. `same_document` turns the numbers into an attention mask.

    Raises:
        ArgumentError: `lengths` is not one-dimensional, or holds a negative number.
        ArgumentTypeError: It is no tensor of integers.

    Examples:
        >>> positions, documents = phasor.positions.packed(torch.tensor([3, 2]))
        >>> positions.tolist(), documents.tolist()
        ([0, 1, 2, 0, 1], [0, 0, 0, 1, 1])
    """
    check_integers("lengths", lengths, advice="pass the number of tokens of each document")
    if lengths.ndim != 1 or bool((lengths < 0).any()):
        raise ArgumentError(
            f"lengths must be one-dimensional and not negative, got {lengths.tolist()}; "
            "pass the number of tokens of each document"
        )
    documents = torch.repeat_interleave(
        torch.arange(len(lengths), device=lengths.device), lengths.long()
    )
    starts = lengths.long().cumsum(0) - lengths
    return torch.arange(len(documents), device=lengths.device) - starts[documents], documents


def from_cu_seqlens(cu_seqlens: Tensor) -> tuple[Tensor, Tensor]:
    r"""Positions and document numbers from the boundaries that varlen kernels take.

    Args:
        cu_seqlens: `[documents + 1]`, where each document starts in the packed row, then its
            length: 0 first, never decreasing. Equal neighbours are an empty document.

    Returns:
        Positions and document numbers, each `[tokens]`, as `packed`.

    Raises:
        ArgumentError: Not one-dimensional, empty, not from 0, or documents that overlap.
        ArgumentTypeError: It is no tensor of integers.

    Examples:
        >>> positions, documents = phasor.positions.from_cu_seqlens(torch.tensor([0, 3, 5]))
        >>> positions.tolist(), documents.tolist()
        ([0, 1, 2, 0, 1], [0, 0, 0, 1, 1])
    """
    check_integers("cu_seqlens", cu_seqlens, advice="pass where each document starts, and the end")
    if cu_seqlens.ndim != 1 or not len(cu_seqlens):
        raise ArgumentError(
            f"cu_seqlens must be [documents + 1], got shape {list(cu_seqlens.shape)}; "
            "pass where each document starts, and the end, of one packed row"
        )
    if int(cu_seqlens[0]) != 0:
        raise ArgumentError(
            f"cu_seqlens must start at 0, got {int(cu_seqlens[0])}; for lengths instead of "
            "boundaries use phasor.positions.packed(lengths)"
        )
    lengths = cu_seqlens.long().diff()
    overlaps = (lengths < 0).nonzero()
    if len(overlaps):
        at = int(overlaps[0])
        before, after = cu_seqlens[at : at + 2].tolist()
        raise ArgumentError(
            f"cu_seqlens must not decrease, got {before} then {after} at index {at + 1}, so that "
            f"documents would overlap; for lengths use phasor.positions.packed(lengths)"
        )
    return packed(lengths)


def from_documents(document_ids: Tensor) -> Tensor:
    r"""Positions that restart at 0 wherever the document number changes.

    Args:
        document_ids: `[seq]` or `[batch, seq]`, which document each token is of, in any numbers;
            the tokens of one document stand next to each other.

    Returns:
        Positions of the same shape, int64.

    Raises:
        ArgumentError: Other shapes, or a document whose tokens are not next to each other.
        ArgumentTypeError: It is no tensor of integers.

    Examples:
        >>> phasor.positions.from_documents(torch.tensor([7, 7, 7, 4, 4])).tolist()
        [0, 1, 2, 0, 1]
    """
    check_integers("document_ids", document_ids, advice="pass the document number of each token")
    if document_ids.ndim not in (1, 2):
        raise ArgumentError(
            f"document_ids must be [seq] or [batch, seq], got shape {list(document_ids.shape)}; "
            "pass the document number of each token, not the attention mask built from it"
        )
    first = torch.ones_like(document_ids, dtype=torch.bool)
    first[..., 1:] = document_ids[..., 1:] != document_ids[..., :-1]
    distinct = first.clone()
    in_order = document_ids.sort(-1).values
    distinct[..., 1:] = in_order[..., 1:] != in_order[..., :-1]
    split = first.sum(-1) != distinct.sum(-1)
    if bool(split.any()):
        row, document = _first_split(document_ids, split)
        raise ArgumentError(
            f"document_ids must keep each document together, got document {document} in several "
            f"places{row}; give each run of tokens a number of its own, padding too"
        )
    index = torch.arange(document_ids.shape[-1], device=document_ids.device)
    return index - torch.where(first, index, 0).cummax(-1).values


def after_cache(cache_lengths: Tensor, seq: int) -> Tensor:
    r"""Positions of new tokens where each sequence has a cache of its own length.

    Args:
        cache_lengths: `[batch]`, how many real tokens of each sequence the cache holds, padding
            not counted. Their values are not looked at, so that decoding need not wait for the
            device.
        seq: Number of new tokens of each.

    Returns:
        Positions `[batch, seq]`, int64: `cache_lengths`, `cache_lengths + 1`, ...

    Raises:
        ArgumentError: `cache_lengths` is not one-dimensional, or `seq` is negative.
        ArgumentTypeError: One of them is not of integers.

    Examples:
        >>> phasor.positions.after_cache(torch.tensor([5, 0]), 2).tolist()
        [[5, 6], [0, 1]]
    """
    check_integers("cache_lengths", cache_lengths, advice="pass the cached tokens per sequence")
    if cache_lengths.ndim != 1:
        raise ArgumentError(
            f"cache_lengths must be [batch], got shape {list(cache_lengths.shape)}; "
            "pass one number of cached tokens for each sequence"
        )
    check_count("seq", seq, at_least=0, advice="pass the number of new tokens of each sequence")
    return cache_lengths.long()[:, None] + torch.arange(seq, device=cache_lengths.device)


def same_document(query_documents: Tensor, key_documents: Tensor | None = None) -> Tensor:
    """Attention mask that keeps each packed document to itself.

    Args:
        query_documents: `[..., query_seq]`, the document number of each query.
        key_documents: `[..., key_seq]`, of each key; those of the queries if not given.

    Returns:
        Boolean `[..., 1, query_seq, key_seq]`, true where both are of one document. The axis of
        size 1 is for the heads.
    """
    key_documents = query_documents if key_documents is None else key_documents
    return (query_documents[..., :, None] == key_documents[..., None, :]).unsqueeze(-3)


def _first_split(document_ids: Tensor, split: Tensor) -> tuple[str, int]:
    """Which row, in words, and which document of it comes back after another one."""
    rows = document_ids if document_ids.ndim == 2 else document_ids[None]
    row = int(split.reshape(-1).nonzero()[0])
    seen: set[int] = set()
    for document in rows[row].unique_consecutive().tolist():
        if document in seen:
            return (f" of row {row}" if document_ids.ndim == 2 else ""), document
        seen.add(document)
    raise AssertionError("a row has more runs than documents only if one comes back")

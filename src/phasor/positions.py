"""Building and checking positions: the one input that says where each token stands."""

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError


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
    if not isinstance(lengths, Tensor) or lengths.is_floating_point():
        raise ArgumentTypeError(
            f"lengths must be a tensor of integers, got {lengths!r}; "
            "pass the number of tokens of each document"
        )
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


def check_positions(positions: Tensor, *, axes: int = 1, owner: str) -> None:
    """Raise unless `positions` is `[seq]` or `[batch, seq]`, with a last axis if `axes` > 1."""
    if not isinstance(positions, Tensor):
        raise ArgumentTypeError(
            f"{owner} takes positions as a tensor, got {type(positions).__name__}; "
            "wrap them: torch.as_tensor(positions)"
        )
    if positions.dtype == torch.bool or positions.is_complex():
        raise ArgumentTypeError(
            f"{owner} takes integer or float positions, got {positions.dtype}; "
            "to number the tokens of a padding mask use phasor.positions.from_mask(mask)"
        )
    if axes == 1:
        if positions.ndim not in (1, 2):
            raise ArgumentError(
                f"{owner} takes positions [seq] or [batch, seq], got shape {list(positions.shape)}"
            )
    elif positions.ndim not in (2, 3) or positions.shape[-1] != axes:
        raise ArgumentError(
            f"{owner} takes positions [seq, {axes}] or [batch, seq, {axes}], one number for each "
            f"of its {axes} axes, got shape {list(positions.shape)}"
        )


def check_covers(positions: Tensor, *, batch: int, seq: int, owner: str, what: str) -> None:
    """Raise unless `positions`, without their axes, fit `batch` sequences of `seq` tokens."""
    if positions.shape[-1] != seq:
        raise ArgumentError(
            f"{owner} was prepared for {positions.shape[-1]} positions but {what} has {seq} "
            "tokens; prepare it with one position for each token"
        )
    if positions.ndim == 2 and positions.shape[0] not in (1, batch):
        raise ArgumentError(
            f"{owner} was prepared for a batch of {positions.shape[0]} but {what} has {batch}; "
            "pass positions [seq], shared by the batch, or [batch, seq]"
        )

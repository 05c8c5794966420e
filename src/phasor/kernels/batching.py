"""The rotation under `torch.vmap`."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def rotate_batched(
    rotate: Callable[..., tuple[Tensor, Tensor]],
    size: int,
    in_dims: tuple[Any, ...],
    query: Tensor,
    key: Tensor,
    positions: Tensor,
    frequencies: Tensor,
    *how: Any,
) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    """Fold one more dimension into the heads, or into the batch if positions have it too.

    Args:
        rotate: The rotation without that dimension.
        size: Of the dimension.
        in_dims: Where each argument has it, or `None`.
        query: And all others, as for the operator.
        key: As for the operator.
        positions: As for the operator.
        frequencies: As for the operator.
        how: As for the operator.

    Returns:
        Rotated query and key, and where they have the dimension.
    """
    query_dim, key_dim, position_dim, frequency_dim, *_ = in_dims
    if frequency_dim is not None:
        raise NotImplementedError(
            "phasor.rotate cannot be mapped over frequencies; loop over them instead of vmap"
        )
    into = 1 if position_dim is None else 0
    folded = [
        (x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)).movedim(0, into)
        for x, dim in ((query, query_dim), (key, key_dim))
    ]
    shapes = [x.shape for x in folded]
    if position_dim is not None:
        positions = positions.movedim(position_dim, 0)
        positions = positions.expand(-1, query.shape[1 if query_dim == 0 else 0], -1, -1)
        positions = positions.flatten(0, 1)
    turned = rotate(*(x.flatten(into, into + 1) for x in folded), positions, frequencies, *how)
    first, second = (
        x.unflatten(into, shape[into : into + 2]) for x, shape in zip(turned, shapes, strict=True)
    )
    return (first, second), (into, into)

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
    if in_dims[3] is not None:
        raise NotImplementedError(
            "phasor.rotate cannot be mapped over frequencies; loop over them instead of vmap"
        )
    return _folded(rotate, size, in_dims, (query, key), (positions,), frequencies, *how)


def rotate_by_table_batched(
    rotate: Callable[..., tuple[Tensor, Tensor]],
    size: int,
    in_dims: tuple[Any, ...],
    query: Tensor,
    key: Tensor,
    cos: Tensor,
    sin: Tensor,
    *how: Any,
) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    """The same of the rotation by a table."""
    return _folded(rotate, size, in_dims, (query, key), (cos, sin), *how)


def _folded(
    rotate: Callable[..., tuple[Tensor, Tensor]],
    size: int,
    in_dims: tuple[Any, ...],
    activations: tuple[Tensor, Tensor],
    places: tuple[Tensor, ...],
    *rest: Any,
) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    """`places` are `[batch or 1, seq, ...]`, each with the dimension or without."""
    dims = in_dims[2 : 2 + len(places)]
    into = 1 if all(dim is None for dim in dims) else 0
    folded = [
        _leading(x, dim, size).movedim(0, into)
        for x, dim in zip(activations, in_dims[:2], strict=True)
    ]
    if into == 0:
        batch = folded[0].shape[1]
        leading = (_leading(x, dim, size) for x, dim in zip(places, dims, strict=True))
        places = tuple(x.expand(-1, batch, -1, -1).flatten(0, 1) for x in leading)
    turned = rotate(*(x.flatten(into, into + 1) for x in folded), *places, *rest)
    first, second = (
        x.unflatten(into, like.shape[into : into + 2])
        for x, like in zip(turned, folded, strict=True)
    )
    return (first, second), (into, into)


def _leading(x: Tensor, dim: int | None, size: int) -> Tensor:
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)

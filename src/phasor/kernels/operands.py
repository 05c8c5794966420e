"""What an operator's operands must be before a kernel touches memory: one check for all of them.

A kernel walks by the shape of one tensor through all of them, so each must fit the others, and its
storage must hold it. The public functions word their errors for their own arguments and come here
too; `cpu.direct`, which cannot afford it, does what is plain to see by itself and leaves the rest.
"""

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.kernels.checks import PLAIN, check_activation_dtype, check_devices, reach
from phasor.positions.checks import check_dense


def check_turn(
    query: Tensor,
    key: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    start: int,
    *,
    owner: str,
    same_dtype: bool = True,
) -> None:
    """Raise unless heads fit each other and what they are turned by.

    Args:
        query: `[batch, num_heads, seq, head_dim]`.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`; without heads it stands for none.
        positions: `[batch or 1, seq, axes]`.
        frequencies: `[axes, pairs]`, turns (int64) or radians.
        start: First channel that turns.
        owner: Who asks, for the error messages.
        same_dtype: Whether query and key must be of one dtype.
    """
    check_dense(query=query, key=key, positions=positions, frequencies=frequencies)
    _check_pair(query, key, owner, same_dtype=same_dtype)
    check_devices(query, key=key, positions=positions, frequencies=frequencies)
    _check_places(positions, query, owner)
    kinds = (torch.int64, torch.float32, torch.float64)
    if positions.dtype == torch.bool or positions.is_complex() or frequencies.dtype not in kinds:
        raise ArgumentTypeError(
            f"{owner} takes integer or float positions, and frequencies that are turns (int64) or "
            f"radians (float32, float64), got {positions.dtype} and {frequencies.dtype}"
        )
    if frequencies.dtype == torch.int64 and positions.is_floating_point():
        raise ArgumentTypeError(
            f"{owner} multiplies turns (int64) by integer positions, got {positions.dtype}; pass "
            "frequencies in radians, in float64"
        )
    if frequencies.ndim != 2 or not 0 < positions.shape[2] == frequencies.shape[0]:
        raise ArgumentError(
            f"{owner} takes positions [1 or batch, seq, axes] and frequencies [axes, pairs], got "
            f"shapes {list(positions.shape)} and {list(frequencies.shape)}"
        )
    _check_channels(start, frequencies.shape[1], query, owner)


def check_table(
    query: Tensor, key: Tensor | None, cos: Tensor, sin: Tensor, start: int, *, owner: str
) -> None:
    """The same for `cos` and `sin`, `[1 or batch, seq, pairs]`, in place of positions."""
    check_dense(query=query, key=key, cos=cos, sin=sin)
    if (
        query.ndim != 4
        or cos.ndim != 3
        or cos.shape != sin.shape
        or cos.shape[0] not in (1, query.shape[0])
        or cos.shape[1] != query.shape[2]
        or not 0 <= start <= query.shape[3] - 2 * cos.shape[2]
    ):
        raise ArgumentError(
            "a table must be cos and sin [1 or batch, seq, pairs] for activations [batch, "
            f"num_heads, seq, head_dim], got {list(cos.shape)} and {list(sin.shape)} for "
            f"{list(query.shape)}, to turn from channel {start} on"
        )
    _check_pair(query, key, owner)
    check_devices(query, key=key, cos=cos, sin=sin)
    if cos.is_complex() or sin.is_complex():
        raise ArgumentTypeError(
            f"{owner} takes cos and sin apart, as real numbers, got {cos.dtype} and {sin.dtype}"
        )


def check_norm(
    query: Tensor,
    key: Tensor | None,
    query_weight: Tensor | None,
    key_weight: Tensor | None,
    *,
    owner: str,
) -> None:
    """Raise unless each of query and key that is there has one weight for each channel."""
    check_dense(query_weight=query_weight, key_weight=key_weight)
    for what, x, weight in (("query", query, query_weight), ("key", key, key_weight)):
        shape, wanted = (None if y is None else list(y.shape) for y in (weight, x))
        if shape != (None if wanted is None else wanted[-1:]):
            raise ArgumentError(
                f"{owner} takes a {what}_weight [head_dim] where there is a {what}, got shapes "
                f"{shape} for {wanted}"
            )
    check_devices(query, query_weight=query_weight, key_weight=key_weight)


def check_memory(**tensors: Tensor | None) -> None:
    """Raise unless the storage of each tensor that has one still holds all of its elements."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return
    for what, x in tensors.items():
        if x is None or type(x) not in PLAIN or x.is_meta or x._is_zerotensor():
            continue
        needed = (x.storage_offset() + reach(x)) * x.itemsize
        if x.numel() and x.untyped_storage().nbytes() < needed:
            raise ArgumentError(
                f"{what} {list(x.shape)} needs {needed} bytes but its storage has "
                f"{x.untyped_storage().nbytes()}: it was freed or resized; gather it first"
            )


def _check_pair(query: Tensor, key: Tensor | None, owner: str, *, same_dtype: bool = True) -> None:
    if query.ndim != 4 or (key is not None and key.ndim != 4):
        raise ArgumentError(
            f"{owner} takes query and key [batch, num_heads, seq, head_dim], got shapes "
            f"{list(query.shape)} and {None if key is None else list(key.shape)}"
        )
    check_activation_dtype("query", query)
    if key is None:
        return
    check_activation_dtype("key", key)
    if any(key.shape[at] != query.shape[at] for at in (0, 2, 3)):
        raise ArgumentError(
            f"query and key must agree in batch, seq and head_dim, got shapes {list(query.shape)} "
            f"and {list(key.shape)}"
        )
    if same_dtype and key.dtype != query.dtype and key.shape[1]:
        raise ArgumentTypeError(
            f"{owner} takes query and key of one dtype, got {query.dtype} and {key.dtype}; call "
            "it for each of them"
        )


def _check_places(positions: Tensor, query: Tensor, owner: str) -> None:
    batch, _, seq, _ = query.shape
    if positions.ndim != 3 or positions.shape[1] != seq or positions.shape[0] not in (1, batch):
        raise ArgumentError(
            f"{owner} takes positions [1 or {batch}, {seq}, axes] for query {list(query.shape)}, "
            f"got shape {list(positions.shape)}"
        )


def _check_channels(start: int, pairs: int, query: Tensor, owner: str) -> None:
    head_dim = query.shape[3]
    if not 0 <= start <= head_dim - 2 * pairs:
        raise ArgumentError(
            f"{owner} turns {2 * pairs} channels from {start} on, which head_dim {head_dim} does "
            f"not have; start must be 0 to head_dim - {2 * pairs}"
        )

"""The public rotation: checks its input, forms the angles, applies them."""

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.kernels.reference import apply_rotation
from phasor.positions import check_covers
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.layout import Layout, RotarySlice, check_layout, check_slice
from phasor.rotary.phase import Precision, cos_sin, table_dtype


def rotate(
    query: Tensor,
    key: Tensor | None,
    positions: Tensor,
    frequencies: Frequencies,
    *,
    layout: Layout = "half",
    rotary_slice: RotarySlice = "leading",
    inverse: bool = False,
    precision: Precision = "exact",
) -> tuple[Tensor, Tensor | None]:
    r"""Rotate the pairs of query and key by their positions (RoPE).

    Args:
        query: `[batch, num_heads, seq, head_dim]`.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`.
        positions: `[seq]` or `[batch, seq]` (with a last axis `[..., axes]` for several axes).
        frequencies: What each pair turns per unit of position; `frequencies.rotary_dim` channels of
            each head take part. Its `attention_scale` is a gain on them.
        layout: Which channels form a pair, `"half"` (i, i + d/2) or `"interleaved"` (2i, 2i + 1).
        rotary_slice: Which channels take part, the `"leading"` or the `"trailing"` ones.
        inverse: Undo a rotation: turn back, and divide by the gain.
        precision: See `phasor.cos_sin`.

    Returns:
        Rotated query and key, in their own dtypes; `None` for an absent key.

    Raises:
        ArgumentError: A shape, layout or rotary_dim that does not fit.

    Source:
        Su et al. 2021, arXiv:2104.09864, equation 34 (`"interleaved"`); GPT-NeoX pairs `"half"`.

    Examples:
        >>> query = torch.randn(1, 4, 3, 64)
        >>> positions, frequencies = torch.arange(3), phasor.geometric(64)
        >>> turned, _ = phasor.rotate(query, None, positions, frequencies)
        >>> back, _ = phasor.rotate(turned, None, positions, frequencies, inverse=True)
        >>> torch.testing.assert_close(back, query)
    """
    check_layout(layout)
    check_slice(rotary_slice)
    widest = query.dtype if key is None else torch.promote_types(query.dtype, key.dtype)
    dtype = table_dtype(widest)
    cos, sin = cos_sin(positions, frequencies, precision=precision, dtype=dtype)
    if inverse:
        gain = frequencies.attention_scale**2
        cos, sin = cos / gain, -sin / gain
    table = (cos, sin)
    return rotate_by(
        query, key, table, table, layout=layout, rotary_slice=rotary_slice, owner="rotate"
    )


def rotate_by(
    query: Tensor,
    key: Tensor | None,
    query_table: tuple[Tensor, Tensor],
    key_table: tuple[Tensor, Tensor],
    *,
    layout: Layout,
    rotary_slice: RotarySlice,
    owner: str,
) -> tuple[Tensor, Tensor | None]:
    """Rotate by tables of cos and sin formed beforehand: what each layer does.

    Args:
        query: `[batch, num_heads, seq, head_dim]`.
        key: `[batch, num_kv_heads, key_seq, head_dim]`, or `None`.
        query_table: `(cos, sin)`, each `[seq, pairs]` or `[batch, seq, pairs]`.
        key_table: The same for the key.
        layout: Which channels form a pair.
        rotary_slice: Which channels take part.
        owner: Who asks, for the error messages.

    Returns:
        Rotated query and key.

    Raises:
        ArgumentError: A shape that does not fit.
    """
    if key is not None and key.shape[0] != query.shape[0]:
        raise ArgumentError(
            f"query and key must agree in batch, got shapes {list(query.shape)} and "
            f"{list(key.shape)}"
        )
    _check(query, query_table[0], owner=owner, what="query")
    query = apply_rotation(query, *query_table, layout=layout, rotary_slice=rotary_slice)
    if key is not None:
        _check(key, key_table[0], owner=owner, what="key")
        key = apply_rotation(key, *key_table, layout=layout, rotary_slice=rotary_slice)
    return query, key


def _check(x: Tensor, cos: Tensor, *, owner: str, what: str) -> None:
    if x.ndim != 4:
        raise ArgumentError(
            f"{what} must be [batch, num_heads, seq, head_dim], got shape {list(x.shape)}"
        )
    batch, _, seq, head_dim = x.shape
    if head_dim < 2 * cos.shape[-1]:
        raise ArgumentError(
            f"{owner} turns {2 * cos.shape[-1]} channels but {what} has head_dim {head_dim}; "
            f"use a rotary_dim of at most {head_dim}"
        )
    if not x.is_floating_point():
        raise ArgumentTypeError(f"{what} must be floating point, got {x.dtype}")
    if x.dtype == torch.float64 != cos.dtype:
        raise ArgumentTypeError(
            f"{what} is float64 but its angles were prepared in {cos.dtype}; "
            "pass dtype=torch.float64 to prepare, or cast query and key to one dtype"
        )
    check_covers(cos[..., 0], batch=batch, seq=seq, owner=owner, what=what)

"""Rotation that writes key and value into their cache: what a decoder does at each step."""

import torch
from torch import Tensor

import phasor.kernels.cache_operator  # noqa: F401 - defines the operators
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.kernels.checks import beside, check_devices, check_overwritten, with_axes
from phasor.kernels.norm_checks import (
    FusedImpl,
    check_heads,
    check_weight,
    dense_rows,
    turn_of,
    use_triton,
)
from phasor.positions.checks import check_dense, check_integers
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.layout import Layout, RotarySlice
from phasor.rotary.phase import Precision


def rotate_into_cache(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    positions: Tensor,
    frequencies: Frequencies,
    key_cache: Tensor,
    value_cache: Tensor,
    slots: Tensor,
    *,
    paged: bool = False,
    query_weight: Tensor | None = None,
    key_weight: Tensor | None = None,
    eps: float = 1e-6,
    unit_offset: bool = False,
    layout: Layout = "half",
    rotary_slice: RotarySlice = "leading",
    precision: Precision = "exact",
    inplace: bool = False,
    impl: FusedImpl = "auto",
) -> Tensor:
    """Rotate query and key, and write key and value into their cache: one reading, one writing.

    For inference: a cache that is written in place has no gradient.

    Args:
        query: `[batch, num_heads, seq, head_dim]`.
        key: `[batch, num_kv_heads, seq, head_dim]`. Packed tokens `[tokens, heads, dim]` are
            `x.transpose(0, 1)[None]`, here and for query and value; no copy is made.
        value: `[batch, num_kv_heads, seq, value_dim]`, written as it is.
        positions: `[seq]` or `[batch, seq]`, with a last axis for several axes.
        frequencies: What each pair turns per unit of position.
        key_cache: `[batch, num_kv_heads, max_len, head_dim]`, or if paged
            `[num_blocks, block_size, num_kv_heads, head_dim]`; written in place.
        value_cache: The same with `value_dim`.
        slots: Where each token goes, integers. `[seq]` or `[batch, seq]` rows of the sequence's own
            cache, or if paged `[batch * seq]` or `[batch, seq]`, block times `block_size` plus row
            in the block. Tokens at -1 are not stored. No two tokens may share a slot.
        paged: Whether sequences share blocks of one cache.
        query_weight: `[head_dim]` of an RMSNorm of each head before the rotation (see
            `norm_rotate`), or `None` for none; the key has one exactly if the query has.
        key_weight: The same for the key.
        eps: Of the norm.
        unit_offset: Whether the norm's factor is 1 + w.
        layout: Which channels form a pair.
        rotary_slice: Which channels turn.
        precision: See `phasor.cos_sin`.
        inplace: Overwrite the query instead of returning a new tensor.
        impl: `"triton"`, `"reference"`, or `"auto"` for Triton on CUDA devices, where it is
            installed, and plain PyTorch elsewhere.

    Returns:
        The rotated query; `query` itself with `inplace`.

    Raises:
        ArgumentError: A shape or option that does not fit, or a gradient is wanted.
        PositionRangeError: A slot that the cache does not have. On a GPU, where looking would wait
            for the device, tokens of such slots are not stored.
        NotImplementedError: A forced `impl` that cannot run here.

    Source:
        The paged cache of Kwon et al. 2023, arXiv:2309.06180, with its slot mapping as in vLLM.

    Examples:
        >>> from phasor.kernels.cache import rotate_into_cache
        >>> query, key = torch.randn(1, 4, 3, 64), torch.randn(1, 2, 3, 64)
        >>> value = torch.ones(1, 2, 3, 8)
        >>> keys, values = torch.zeros(1, 2, 16, 64), torch.zeros(1, 2, 16, 8)
        >>> positions, frequencies = torch.arange(5, 8), phasor.geometric(64)
        >>> turned = rotate_into_cache(
        ...     query, key, value, positions, frequencies, keys, values, slots=positions
        ... )
        >>> expected, turned_key = phasor.rotate(query, key, positions, frequencies)
        >>> torch.testing.assert_close(keys[:, :, 5:8], turned_key)
        >>> values[0, 0, :, 0].tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    check_heads(
        query, key, positions, frequencies, layout=layout, rotary_slice=rotary_slice,
        precision=precision, owner="rotate_into_cache",
    )  # fmt: skip
    _check_no_gradient(query, key, value, query_weight, key_weight)
    if (query_weight is None) != (key_weight is None):
        raise ArgumentError(
            "query_weight and key_weight go together, got "
            + ("key_weight" if query_weight is None else "query_weight")
            + " alone"
        )
    if query_weight is not None and key_weight is not None:
        check_weight(query_weight, query, "query")
        check_weight(key_weight, key, "key")
    _check_cache("key", key, key_cache, paged=paged)
    _check_cache("value", value, value_cache, paged=paged)
    if key_cache.shape[:3] != value_cache.shape[:3]:
        raise ArgumentError(
            "key_cache and value_cache must agree in all but their last axis, got shapes "
            f"{list(key_cache.shape)} and {list(value_cache.shape)}"
        )
    if value.shape[:3] != key.shape[:3]:
        raise ArgumentError(
            "key and value must agree in batch, num_kv_heads and seq, got shapes "
            f"{list(key.shape)} and {list(value.shape)}"
        )
    block_size = key_cache.shape[1] if paged else 0
    if paged:
        key_cache, value_cache = key_cache.transpose(1, 2), value_cache.transpose(1, 2)
    slots = _checked_slots(slots, query, paged=paged)
    if inplace:
        if not torch.compiler.is_compiling() and query.is_neg():
            raise ArgumentError(
                "query has a minus sign that PyTorch has put off (a view of a conjugate), and "
                "cannot be turned in place through it; pass inplace=False"
            )
        if query.stride(-1) != 1:
            raise ArgumentError(
                "a query turned in place must have channels side by side, got strides "
                f"{list(query.stride())}; pass inplace=False"
            )
    turn = turn_of(query, frequencies, layout, rotary_slice)
    name = "rotate_into_cache_" if inplace else "rotate_into_cache"
    result = getattr(torch.ops.phasor, name).default(
        dense_rows(query), dense_rows(key), dense_rows(value), query_weight, key_weight,
        key_cache, value_cache, slots, with_axes(positions, frequencies.axes),
        beside(query, frequencies.operand(positions, precision)), block_size, eps, unit_offset,
        turn.interleaved, turn.start, turn.gain, use_triton(impl, query),
    )  # fmt: skip
    return query if inplace else result


def _check_no_gradient(*tensors: Tensor | None) -> None:
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors):
        raise ArgumentError(
            "rotate_into_cache is for inference, but a gradient is wanted; wrap the call in "
            "torch.no_grad(), or train with phasor.rotate or norm_rotate, without a cache"
        )


def _check_cache(what: str, x: Tensor, cache: Tensor, *, paged: bool) -> None:
    """Raise unless `cache` has room for the rows of `x`."""
    check_dense(**{what: x, f"{what}_cache": cache})
    if x.ndim != 4 or cache.ndim != 4:
        raise ArgumentError(
            f"{what} and {what}_cache must have four axes, got shapes {list(x.shape)} and "
            f"{list(cache.shape)}"
        )
    batch, heads, _, dim = x.shape
    fits = cache.shape[-1] == dim and cache.shape[2 if paged else 1] == heads
    if not fits or not (paged or cache.shape[0] == batch):
        wanted = (
            f"[num_blocks, block_size, {heads}, {dim}]"
            if paged
            else f"[{batch}, {heads}, max_len, {dim}]"
        )
        raise ArgumentError(
            f"{what}_cache must be {wanted} for {what} {list(x.shape)}, got {list(cache.shape)}"
            + ("" if paged else "; pass paged=True for a cache in blocks")
        )
    if cache.dtype != x.dtype or cache.device != x.device:
        raise ArgumentTypeError(
            f"{what}_cache must have dtype and device of {what}, {x.dtype} on {x.device}, got "
            f"{cache.dtype} on {cache.device}"
        )
    check_overwritten(f"{what}_cache", cache)
    if not torch.compiler.is_compiling() and cache.is_neg():
        raise ArgumentError(
            f"{what}_cache has a minus sign that PyTorch has put off (a view of a conjugate), and "
            f"cannot be written through it; pass {what}_cache.resolve_neg()"
        )
    if cache.stride(-1) != 1:
        raise ArgumentError(
            f"{what}_cache must have channels side by side, got strides {list(cache.stride())}"
        )


def _checked_slots(slots: Tensor, query: Tensor, *, paged: bool) -> Tensor:
    """`slots` as `[batch, seq]`."""
    check_integers("slots", slots, advice="one row of the cache for each token")
    check_dense(slots=slots)
    batch, _, seq, _ = query.shape
    check_devices(query, slots=slots)
    if paged and slots.shape == (batch * seq,):
        slots = slots.view(batch, seq)
    elif not paged and slots.shape == (seq,):
        slots = slots.expand(batch, seq)
    if slots.shape != (batch, seq):
        alone = f"[{batch * seq}]" if paged else f"[{seq}]"
        raise ArgumentError(
            f"slots must be {alone} or [{batch}, {seq}], one for each token, got shape "
            f"{list(slots.shape)}"
        )
    return slots

"""The public rotation: checks its input and picks who computes it."""

from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.kernels import cpu
from phasor.kernels._turn import Turn
from phasor.kernels.checks import (
    beside,
    check_activations,
    check_devices,
    check_leaf,
    check_writable,
    with_axes,
)
from phasor.kernels.cpu.direct import rotate_at_once
from phasor.kernels.gradient import needs_gradient, rotate_by_operator
from phasor.kernels.operands import check_memory
from phasor.kernels.operator import launcher
from phasor.kernels.reference import rotation
from phasor.positions import check_positions
from phasor.positions.checks import check_dense
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.layout import Layout, RotarySlice, check_layout, check_slice
from phasor.rotary.phase import Precision, check_precision

RotateImpl = Literal["auto", "reference", "cpu", "triton"]
Key = TypeVar("Key", bound=Tensor | None)  # no key in, no key out
IMPLS: tuple[RotateImpl, ...] = ("auto", "reference", "cpu", "triton")


def rotate(
    query: Tensor,
    key: Key,
    positions: Tensor,
    frequencies: Frequencies | Tensor,
    *,
    layout: Layout = "half",
    rotary_slice: RotarySlice = "leading",
    inverse: bool = False,
    precision: Precision = "exact",
    inplace: bool = False,
    impl: RotateImpl = "auto",
) -> tuple[Tensor, Key]:
    r"""Rotate the pairs of query and key by their positions (RoPE).

    Arithmetic is in float32, or float64 for float64 activations, and rounded once. The gradient is
    the rotation back: nothing of the activations is saved for it.

    Args:
        query: `[batch, num_heads, seq, head_dim]` of any strides, so also a transposed view of
            `[batch, seq, num_heads, head_dim]`; or packed, `[tokens, num_heads, head_dim]`.
        key: `[batch, num_kv_heads, seq, head_dim]`, or packed as the query is, or `None`.
        positions: `[seq]` or `[batch, seq]`, packed `[tokens]` (with a last axis `[..., axes]` for
            several axes).
        frequencies: What each pair turns per unit of position; `frequencies.rotary_dim` channels of
            each head take part. Its `attention_scale` is a gain on them. Or learned: a float tensor
            `[axes, pairs]`, or `[num_heads, axes, pairs]` with numbers of its own for each head of
            query and key, in radians per unit of position, which receives gradients.
        layout: Which channels form a pair, `"half"` (i, i + d/2) or `"interleaved"` (2i, 2i + 1).
        rotary_slice: Which channels take part, the `"leading"` or the `"trailing"` ones.
        inverse: Undo a rotation: turn back, and divide by the gain.
        precision: See `phasor.cos_sin`.
        inplace: Overwrite query and key, and return them. Where a gradient is needed a copy is
            made on the way.
        impl: Who computes: `"reference"` (plain PyTorch, judge of the others), `"cpu"` (compiled
            C), `"triton"` (GPU), or `"auto"`, the fastest that can.

    Returns:
        Rotated query and key, in their own dtypes, and by a kernel with their own strides; `None`
        for an absent key.

    Raises:
        ArgumentError: A shape, layout, device or rotary_dim that does not fit; in place, memory
            that elements share, or a leaf that requires a gradient.
        NotImplementedError: The `impl` asked for cannot do this; it says why.

    Source:
        Su et al. 2021, arXiv:2104.09864, equation 34 (`"interleaved"`); GPT-NeoX pairs `"half"`.

    Examples:
        >>> query = torch.randn(1, 4, 3, 64)
        >>> positions, frequencies = torch.arange(3), phasor.geometric(64)
        >>> turned, _ = phasor.rotate(query, None, positions, frequencies)
        >>> back, _ = phasor.rotate(turned, None, positions, frequencies, inverse=True)
        >>> torch.testing.assert_close(back, query)
    """
    if layout != "half":
        check_layout(layout)
    if rotary_slice != "leading":
        check_slice(rotary_slice)
    if precision != "exact":
        check_precision(precision)
    gain = 1.0
    if isinstance(frequencies, Frequencies):
        gain = frequencies.attention_scale
        if inverse:
            gain = 1.0 / gain
        check_positions(positions, axes=frequencies.turns.shape[0], owner="rotate")
        operand = frequencies.operand(positions, precision)
    else:
        operand = _learned(frequencies, precision)
        check_positions(positions, axes=operand.shape[-2], owner="rotate")
    interleaved, trailing = layout == "interleaved", rotary_slice == "trailing"
    sign = -1 if inverse else 1
    if impl == "auto":
        done = rotate_at_once(
            query, key, positions, operand, interleaved, trailing, sign, gain, inplace
        )
        if done is not None:
            return cast("tuple[Tensor, Key]", done)
    turned = _turn_any(
        query, key, positions, operand, interleaved, trailing, sign, gain, inplace, impl, "rotate"
    )
    return cast("tuple[Tensor, Key]", turned)


def turn(
    query: Tensor,
    key: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    *,
    interleaved: bool,
    trailing: bool,
    sign: int,
    gain: float,
    inplace: bool = False,
    impl: RotateImpl = "auto",
    owner: str,
) -> tuple[Tensor, Tensor | None]:
    """What `rotate` does once positions are checked: what each layer does.

    Args:
        query: As in `rotate`.
        key: As in `rotate`.
        positions: As in `rotate`.
        frequencies: `[axes, pairs]`, or `[num_heads, axes, pairs]`: see `Frequencies.operand`.
        interleaved: Which channels form a pair.
        trailing: Which channels turn.
        sign: 1 to turn, -1 to turn back.
        gain: Factor on the channels that turn.
        inplace: As in `rotate`.
        impl: As in `rotate`.
        owner: Who asks, for the error messages.

    Returns:
        Rotated query and key.
    """
    if impl == "auto":
        done = rotate_at_once(
            query, key, positions, frequencies, interleaved, trailing, sign, gain, inplace
        )
        if done is not None:
            return done
    return _turn_any(
        query, key, positions, frequencies, interleaved, trailing, sign, gain, inplace, impl, owner
    )


def _turn_any(
    query: Tensor,
    key: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    interleaved: bool,
    trailing: bool,
    sign: int,
    gain: float,
    inplace: bool,
    impl: RotateImpl,
    owner: str,
) -> tuple[Tensor, Tensor | None]:
    """What is not plain to see to be right: checked, and turned by whom it takes."""
    asked: dict[str, Any] = {
        "interleaved": interleaved, "trailing": trailing, "sign": sign, "gain": gain,
        "inplace": inplace, "impl": impl, "owner": owner,
    }  # fmt: skip
    given = {"query": query, "key": key, "positions": positions, "frequencies": frequencies}
    check_dense(**given)
    check_memory(**given)
    if query.ndim == 3:
        return _turn_packed(query, key, positions, frequencies, **asked)
    axes, pairs = frequencies.shape[-2], frequencies.shape[-1]
    rotary_dim = 2 * pairs
    check_activations(query, positions, rotary_dim=rotary_dim, axes=axes, owner=owner, what="query")
    start = query.shape[3] - rotary_dim if trailing else 0
    if key is not None:
        if len(key) != len(query):
            raise ArgumentError(
                f"query and key must agree in batch, got shapes {list(query.shape)} and "
                f"{list(key.shape)}"
            )
        check_activations(key, positions, rotary_dim=rotary_dim, axes=axes, owner=owner, what="key")
        if key.dtype != query.dtype or key.shape[3] != query.shape[3]:
            # One call turns channels of one kind.
            query, _ = turn(query, None, positions, frequencies, **asked)
            key, _ = turn(key, None, positions, frequencies, **asked)
            return query, key
    check_devices(query, key=key, positions=positions, frequencies=frequencies)
    if inplace:
        check_writable(query, key, positions, frequencies)
    if impl != "auto":
        _require(impl, query, key, frequencies)
    positions, how = with_axes(positions, axes), Turn(interleaved, start, sign, gain)
    if frequencies.ndim == 3:
        _check_heads(query, key, frequencies)
    if frequencies.ndim == 3 or impl == "reference":
        turned_query = rotation(query, positions, frequencies, how)
        turned_key = None if key is None else rotation(key, positions, frequencies, how)
        return _returned(query, key, turned_query, turned_key, inplace)
    frequencies = beside(query, frequencies)
    if inplace and not _is_watched(query, key, positions, frequencies):
        torch.ops.phasor.rotate_.default(query, key, positions, frequencies, *how)
        return query, key
    # The operator has no optional result: no heads stand for no key.
    batch, _, seq, head_dim = query.shape
    some_key = query.new_empty((batch, 0, seq, head_dim)) if key is None else key
    turned_query, turned_key = rotate_by_operator(query, some_key, positions, frequencies, *how)
    return _returned(query, key, turned_query, None if key is None else turned_key, inplace)


def _returned(
    query: Tensor,
    key: Tensor | None,
    turned_query: Tensor,
    turned_key: Tensor | None,
    inplace: bool,
) -> tuple[Tensor, Tensor | None]:
    if not inplace:
        return turned_query, turned_key
    # `copy_` knows views, saved values and transforms; a kernel that overwrites does not.
    check_leaf(query, key)
    query.copy_(turned_query)
    if key is not None and turned_key is not None:
        key.copy_(turned_key)
    return query, key


def _is_watched(*tensors: Tensor | None) -> bool:
    return torch._C._are_functorch_transforms_active() or needs_gradient(*tensors)


def _turn_packed(
    query: Tensor, key: Tensor | None, positions: Tensor, frequencies: Tensor, **asked: Any
) -> tuple[Tensor, Tensor | None]:
    """`[tokens, heads, head_dim]`, as a view of one sequence of all tokens."""
    if key is not None and key.ndim != 3:
        raise ArgumentError(
            "query and key must both be packed [tokens, num_heads, head_dim], got shapes "
            f"{list(query.shape)} and {list(key.shape)}"
        )
    if positions.ndim != (1 if frequencies.shape[-2] == 1 else 2):
        raise ArgumentError(
            "a packed query [tokens, num_heads, head_dim] takes positions [tokens], got shape "
            f"{list(positions.shape)}; pass positions.flatten(0, 1)"
        )
    whole_query = query.transpose(0, 1).unsqueeze(0)
    whole_key = None if key is None else key.transpose(0, 1).unsqueeze(0)
    turned_query, turned_key = turn(whole_query, whole_key, positions, frequencies, **asked)
    if asked["inplace"]:
        return query, key
    turned_query = turned_query[0].transpose(0, 1)
    return turned_query, None if turned_key is None else turned_key[0].transpose(0, 1)


def _learned(frequencies: Tensor, precision: Precision) -> Tensor:
    if not isinstance(frequencies, Tensor) or not frequencies.is_floating_point():
        kind = getattr(frequencies, "dtype", type(frequencies).__name__)
        raise ArgumentError(
            "frequencies must be phasor.Frequencies or, where they are learned, a float tensor, "
            f"got {kind}"
        )
    check_dense(frequencies=frequencies)
    if frequencies.ndim not in (2, 3) or frequencies.numel() == 0:
        raise ArgumentError(
            "learned frequencies must be [axes, pairs] or [num_heads, axes, pairs], got shape "
            f"{list(frequencies.shape)}"
        )
    dtype = torch.float32 if precision == "float32" else torch.float64
    return frequencies.to(dtype).contiguous().resolve_neg()


def _check_heads(query: Tensor, key: Tensor | None, frequencies: Tensor) -> None:
    for what, x in (("query", query), ("key", key)):
        if x is not None and x.shape[1] != frequencies.shape[0]:
            raise ArgumentError(
                f"frequencies of {frequencies.shape[0]} heads do not fit {what} with "
                f"{x.shape[1]}; pass frequencies [axes, pairs], shared by all heads, or rotate "
                "query and key one by one"
            )


def _require(impl: str, query: Tensor, key: Tensor | None, frequencies: Tensor) -> None:
    """Raise unless the implementation asked for can do this."""
    if impl not in IMPLS:
        raise ArgumentError(f"impl must be one of {list(IMPLS)}, got {impl!r}")
    if impl == "reference":
        return
    why = None
    if frequencies.ndim == 3:
        why = "frequencies of each head's own are for the reference"
    elif any(x is not None and x.stride(-1) != 1 and x.shape[-1] > 1 for x in (query, key)):
        why = "the last dimension must be contiguous; pass .contiguous()"
    elif impl == "cpu":
        why = cpu.why_missing() if query.is_cpu else f"the tensors are on {query.device}"
    elif not query.is_cuda:
        why = f"the tensors are on {query.device}, not on a GPU"
    elif launcher(query) is None:
        why = "Triton is not installed; pip install triton"
    if why is not None:
        raise NotImplementedError(f"impl={impl!r} cannot rotate this: {why}; or use impl='auto'")

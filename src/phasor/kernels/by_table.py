"""The rotation by cosines and sines that somebody else has formed, with the roundings they chose.

For models that keep a table of their own (`phasor.patch`). `rotate` forms its angles itself, which
needs no table and is exact.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.kernels import cpu
from phasor.kernels._turn import Turn
from phasor.kernels.batching import rotate_by_table_batched
from phasor.kernels.checks import LOWEST, is_unwatched
from phasor.kernels.cpu.launch import DTYPES, turn_heads
from phasor.kernels.gradient import needs_gradient
from phasor.kernels.operands import check_memory, check_table
from phasor.kernels.operator import aligned, walkable
from phasor.kernels.reference import along_table, apply_rotation
from phasor.positions.checks import check_dense
from phasor.rotary.layout import Layout, check_layout

Rounding = Literal["once", "wide", "each"]

# What is rounded: the result (a product and a sum may be one instruction); each product and the sum
# to float32, then the result; each product and the sum to the dtype of the activations. The numbers
# are roads of call.h.
ROUNDINGS: dict[str, int] = {"once": 3, "wide": 4, "each": 5}
# The order in memory of what comes out: that of what goes in, or one of two contiguous ones.
Order = Literal["heads first", "seq first"]
_ORDERS: dict[Order | None, int] = {None: 0, "heads first": 1, "seq first": 2}
_NAMES: dict[int, Rounding] = {3: "once", 4: "wide", 5: "each"}
_CONTIGUOUS = torch.contiguous_format

_LIBRARY = torch.library.Library("phasor", "FRAGMENT")
_LIBRARY.define(
    "rotate_by_table(Tensor query, Tensor key, Tensor cos, Tensor sin, bool interleaved, "
    "int start, int sign, int order, int road, int backward_order, int backward_road) "
    "-> (Tensor, Tensor)"
)


def rotate_by_table(
    query: Tensor,
    key: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    *,
    layout: Layout = "half",
    start: int = 0,
    rounding: Rounding = "once",
    backward_rounding: Rounding | None = None,
    gradient_order: Order | None = None,
) -> tuple[Tensor, Tensor | None]:
    r"""Turn each pair $(x_1, x_2)$ to $(x_1\cos - x_2\sin,\; x_2\cos + x_1\sin)$.

    Args:
        query: `[batch, num_heads, seq, head_dim]`, any strides.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`.
        cos: `[1 or batch, seq, pairs]`, of any dtype; no gradient reaches it.
        sin: As `cos`.
        layout: Which channels form a pair.
        start: The first of the `2 * pairs` channels that turn; the others are copied.
        rounding: `"once"`: the result. `"wide"`: products and their sum to float32, then the
            result. `"each"`: products and their sum to the dtype of the activations, as PyTorch
            does operation by operation. All are the same for float32 and float64, but that only
            `"once"` may fuse a product with the sum.
        backward_rounding: The same for the gradient; `rounding` if `None`.
        gradient_order: The order of the gradient in memory, `[batch, heads, seq, head_dim]` or
            `[batch, seq, heads, head_dim]`; as it arrives if `None`.

    Returns:
        Rotated query and key, in their dtypes.

    Raises:
        ArgumentError: The table does not fit, or query and key differ in batch or seq.

    Examples:
        >>> from phasor.kernels.by_table import rotate_by_table
        >>> query, positions = torch.randn(1, 2, 3, 8), torch.arange(3)
        >>> cos, sin = phasor.cos_sin(positions, phasor.geometric(8))
        >>> turned, _ = rotate_by_table(query, None, cos[None], sin[None])
        >>> expected, _ = phasor.rotate(query, None, positions, phasor.geometric(8))
        >>> torch.testing.assert_close(turned, expected)
    """
    check_layout(layout)
    road = backward_road = _road(rounding)
    if backward_rounding is not None:
        backward_road = _road(backward_rounding)
    if gradient_order not in _ORDERS:
        raise ArgumentError(
            f"gradient_order must be one of {list(_ORDERS)}, got {gradient_order!r}"
        )
    order = _ORDERS[gradient_order]
    how = (layout == "interleaved", start, 1, 0, road, order, backward_road)
    if is_unwatched(query, cos, sin, key) and _plainly_fits(query, key, cos, sin, start):
        turned_query, turned_key = _turn(
            query, query[:, :0] if key is None else key, cos, sin, *how
        )
        return turned_query, None if key is None else turned_key
    check_dense(query=query, key=key)
    if (
        key is not None
        and key.ndim == query.ndim == 4
        and (key.dtype != query.dtype or key.shape[3] != query.shape[3])
    ):
        # One call turns channels of one kind.
        each = [
            rotate_by_table(
                x, None, cos, sin, layout=layout, start=start, rounding=rounding,
                backward_rounding=backward_rounding, gradient_order=gradient_order,
            )[0]
            for x in (query, key)
        ]  # fmt: skip
        return each[0], each[1]
    check_table(query, key, cos, sin, start, owner="rotate_by_table")
    some_key = query[:, :0] if key is None else key
    turned_query, turned_key = _by_operator(query, some_key, cos, sin, *how)
    return turned_query, None if key is None else turned_key


def has_kernel(x: Tensor) -> bool:
    """Whether a kernel turns `x` by a table; elsewhere the operations of PyTorch do."""
    return x.is_cpu and x.dtype in DTYPES and cpu.why_missing() is None


def _road(rounding: Rounding) -> int:
    if rounding not in ROUNDINGS:
        raise ArgumentError(f"rounding must be one of {list(ROUNDINGS)}, got {rounding!r}")
    return ROUNDINGS[rounding]


def _plainly_fits(query: Tensor, key: Tensor | None, cos: Tensor, sin: Tensor, start: int) -> bool:
    """What `check_table` and `check_memory` ask, where it is plain to see."""
    dtype, table_dtype = query.dtype, cos.dtype
    try:
        shape, table_shape = query.shape, cos.shape
        key_shape = shape if key is None else key.shape
        if (
            query.data_ptr() < LOWEST
            or cos.data_ptr() < LOWEST
            or sin.data_ptr() < LOWEST
            or (key is not None and key.data_ptr() < LOWEST)
        ):
            return False
    except RuntimeError:  # not dense
        return False
    return (
        dtype in DTYPES
        and table_dtype in DTYPES
        and sin.dtype == table_dtype
        and not sin.is_neg()
        and (key is None or key.dtype == dtype)
        and len(shape) == len(key_shape) == 4
        and key_shape[0] == shape[0]
        and key_shape[2:] == shape[2:]
        and len(table_shape) == 3
        and sin.shape == table_shape
        and table_shape[0] in (1, shape[0])
        and table_shape[1] == shape[2]
        and 0 <= start <= shape[3] - 2 * table_shape[2]
    )


def _check_and_turn(
    query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *how: Any
) -> tuple[Tensor, Tensor]:
    _check(query, key, cos, sin, *how)
    check_memory(query=query, key=key, cos=cos, sin=sin)
    return _turn(query, key, cos, sin, *how)


def _check(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *how: Any) -> None:
    check_table(query, key, cos, sin, how[1], owner="phasor::rotate_by_table")
    _, _, _, *orders_and_roads = how
    known = (_ORDERS.values(), _NAMES)
    if any(number not in known[at % 2] for at, number in enumerate(orders_and_roads)):
        raise ArgumentError(
            f"phasor::rotate_by_table knows the orders {list(_ORDERS.values())} and the roads "
            f"{list(_NAMES)}, got order, road, backward_order, backward_road {orders_and_roads}"
        )


def _by_operator(
    query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *how: Any
) -> tuple[Tensor, Tensor]:
    """At every level: `torch.func` wants functions to transform, and torch.compile operations."""
    if not torch._C._are_functorch_transforms_active():
        return torch.ops.phasor.rotate_by_table.default(query, key, cos, sin, *how)
    if not torch.compiler.is_compiling():
        return RotationByTable.apply(query, key, cos, sin, *how)
    turn, rounding = Turn(*how[:3]), _NAMES[how[4]]
    turned_query, turned_key = (_reference(x, cos, sin, turn, rounding) for x in (query, key))
    return turned_query, turned_key


def _turn(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *how: Any) -> tuple[Tensor, Tensor]:
    interleaved, start, sign, order, road, *_ = how
    if not has_kernel(query):
        rounding = _NAMES[road]
        turned = _empty(query, order), _empty(key, order)
        for out, x in zip(turned, (query, key), strict=True):
            out.copy_(_reference(x, cos, sin, Turn(interleaved, start, sign), rounding))
        return turned
    if cos.dtype not in DTYPES or sin.dtype != cos.dtype:
        cos, sin = cos.double(), sin.double()
    cos, sin = aligned(cos), aligned(sin)
    if sin.stride() != cos.stride():
        cos, sin = cos.contiguous(), sin.contiguous()
    outs = turned_query, turned_key = _empty(query, order), _empty(key, order)
    query, query_out = walkable(query, turned_query)
    key, key_out = walkable(key, turned_key)
    places = (cos.data_ptr(), sin.data_ptr(), cos.shape[0], *cos.stride())
    turn_heads(
        query, key, query_out, key_out, road, DTYPES[cos.dtype], 1, cos.shape[2], places,
        (interleaved, start, sign, 1.0),
    )  # fmt: skip
    if query_out is not turned_query:
        turned_query.copy_(query_out)
    if key_out is not turned_key:
        turned_key.copy_(key_out)
    return outs


def _empty(x: Tensor, order: int) -> Tensor:
    # Stock rotations end in `torch.cat`, which brings channels together; attention reads those
    # faster, and rounds otherwise where they are apart.
    if order == _ORDERS[None] and x.stride(-1) == 1:
        return torch.empty_like(x)
    if order == _ORDERS["seq first"]:
        return torch.empty_like(x.transpose(1, 2), memory_format=_CONTIGUOUS).transpose(1, 2)
    return torch.empty_like(x, memory_format=_CONTIGUOUS)


def _reference(x: Tensor, cos: Tensor, sin: Tensor, turn: Turn, rounding: Rounding) -> Tensor:
    interleaved, start, sign, _ = turn
    sin = sin * sign
    if rounding != "each":
        wide = torch.promote_types(x.dtype, torch.float32)
        return apply_rotation(x, cos.to(wide), sin.to(wide), layout=turn.layout, start=start)
    pairs = cos.shape[-1]
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    before, turning, after = x.split((start, 2 * pairs, x.shape[-1] - start - 2 * pairs), dim=-1)
    shape = (pairs, 2) if interleaved else (2, pairs)
    first, second = turning.unflatten(-1, shape).unbind(-1 if interleaved else -2)
    turned = (
        (first * cos).to(x.dtype) - (second * sin).to(x.dtype),
        (second * cos).to(x.dtype) + (first * sin).to(x.dtype),
    )
    pair = torch.stack(turned, dim=-1 if interleaved else -2).flatten(-2)
    return torch.cat((before, pair, after), dim=-1)


class RotationByTable(torch.autograd.Function):
    """The rotation, whose gradient is the rotation back and saves the table alone."""

    @staticmethod
    def forward(
        query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *how: Any
    ) -> tuple[Tensor, Tensor]:
        with torch._C._AutoDispatchBelowAutograd():
            return torch.ops.phasor.rotate_by_table.default(query, key, cos, sin, *how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        query, key, cos, sin, *ctx.how = inputs
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            raise ArgumentError(
                "rotate_by_table has no gradient to its table; detach it, or rotate by learned "
                "frequencies with phasor.rotate"
            )
        ctx.save_for_backward(cos, sin)
        ctx.save_for_forward(query, key, cos, sin)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        interleaved, start, sign, *forward, order, road = ctx.how
        turned = _by_operator(
            *gradients, *ctx.saved_tensors, interleaved, start, -sign, order, road, *forward
        )
        return *turned, *[None] * 9

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], *arguments: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        return rotate_by_table_batched(_by_operator, info.batch_size, in_dims, *arguments)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, Tensor]:
        query, key, cos, sin = ctx.saved_tensors
        to_query, to_key, to_cos, to_sin, *_ = tangents
        turn = Turn(*ctx.how[:3])
        turned = _by_operator(to_query, to_key, cos, sin, *ctx.how)
        query, key = (
            y + along_table(x, to_cos, to_sin * turn.sign, turn)
            for y, x in zip(turned, (query, key), strict=True)
        )
        return query, key


def _differentiably(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *how: Any) -> Any:
    if needs_gradient(query, key, cos, sin):
        return RotationByTable.apply(query, key, cos, sin, *how)
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.phasor.rotate_by_table.default(query, key, cos, sin, *how)


def _shapes(
    query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *how: Any
) -> tuple[Tensor, Tensor]:
    _check(query, key, cos, sin, *how)
    return _empty(query, how[3]), _empty(key, how[3])


def _batched(info: Any, in_dims: Any, *arguments: Any) -> Any:
    rotate = torch.ops.phasor.rotate_by_table.default
    return rotate_by_table_batched(rotate, info.batch_size, in_dims, *arguments)


_LIBRARY.impl("rotate_by_table", _check_and_turn, "CompositeExplicitAutograd")
_LIBRARY.impl("rotate_by_table", _differentiably, "Autograd")
torch.library.register_fake("phasor::rotate_by_table", _shapes, lib=_LIBRARY)
torch.library.register_vmap("phasor::rotate_by_table", _batched, lib=_LIBRARY)

"""The fused norm and rotation as operators that torch.compile, export and autograd know."""

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.kernels._turn import Turn
from phasor.kernels.checks import check_devices
from phasor.kernels.norm_checks import use_triton
from phasor.kernels.norm_reference import (
    cos_sin_by,
    norm_rotate_backward_reference,
    norm_rotate_reference,
)
from phasor.kernels.operands import check_memory, check_norm, check_turn
from phasor.positions.checks import check_dense
from phasor.rotary.phase import table_dtype

_OPTIONS = "float eps, bool unit_offset, bool interleaved, int start, float gain, bool triton"
_LIBRARY = torch.library.Library("phasor", "FRAGMENT")
_LIBRARY.define(
    "norm_rotate(Tensor x, Tensor? other, Tensor weight, Tensor? other_weight, Tensor positions, "
    f"Tensor frequencies, {_OPTIONS}, bool save_output) -> (Tensor, Tensor, Tensor, Tensor)"
)
_LIBRARY.define(
    "norm_rotate_backward(Tensor grad, Tensor saved, Tensor weight, Tensor rstd, "
    "Tensor positions, Tensor frequencies, bool from_output, bool unit_offset, bool interleaved, "
    "int start, float gain, bool triton) -> (Tensor, Tensor)"
)


def _empty(x: Tensor | None, like: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Where a result and its reciprocal deviations go; nothing at all for an absent tensor."""
    if x is None:
        return like.new_empty(0), like.new_empty(0, dtype=dtype)
    return torch.empty_like(x), x.new_empty(x.shape[:3], dtype=dtype)


def _arithmetic(x: Tensor, other: Tensor | None) -> torch.dtype:
    return table_dtype(x.dtype if other is None else torch.promote_types(x.dtype, other.dtype))


def _norm_rotate(
    x: Tensor,
    other: Tensor | None,
    weight: Tensor,
    other_weight: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    eps: float,
    unit_offset: bool,
    interleaved: bool,
    start: int,
    gain: float,
    triton: bool,
    save_output: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    _check(x, other, weight, other_weight, positions, frequencies, start)
    check_memory(
        x=x, other=other, weight=weight, other_weight=other_weight, positions=positions,
        frequencies=frequencies,
    )  # fmt: skip
    turn, dtype = Turn(interleaved, start, gain=gain), _arithmetic(x, other)
    out, rstd = _empty(x, x, dtype)
    other_out, other_rstd = _empty(other, x, dtype)
    if triton and use_triton("triton", x):
        from phasor.kernels.triton.norm import launch

        launch(
            x, other, weight, other_weight, out, None if other is None else other_out, rstd,
            None if other is None else other_rstd, positions, frequencies, turn, eps=eps,
            unit_offset=unit_offset,
        )  # fmt: skip
        return out, other_out, rstd, other_rstd
    cos, sin = cos_sin_by(positions, frequencies, gain=gain, dtype=dtype)
    for source, scale, result, spread in (
        (x, weight, out, rstd),
        (other, other_weight, other_out, other_rstd),
    ):
        if source is not None and scale is not None:
            turned, reciprocal = norm_rotate_reference(
                source, scale, cos, sin, turn, eps=eps, unit_offset=unit_offset
            )
            result.copy_(turned)
            spread.copy_(reciprocal)
    return out, other_out, rstd, other_rstd


def _check(
    x: Tensor,
    other: Tensor | None,
    weight: Tensor,
    other_weight: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    start: int,
) -> None:
    owner = "phasor::norm_rotate"
    check_turn(x, other, positions, frequencies, start, owner=owner, same_dtype=False)
    check_norm(x, other, weight, other_weight, owner=owner)


def _norm_rotate_fake(
    x: Tensor,
    other: Tensor | None,
    weight: Tensor,
    other_weight: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    eps: float,
    unit_offset: bool,
    interleaved: bool,
    start: int,
    *rest: object,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    _check(x, other, weight, other_weight, positions, frequencies, start)
    dtype = _arithmetic(x, other)
    out, rstd = _empty(x, x, dtype)
    other_out, other_rstd = _empty(other, x, dtype)
    return out, other_out, rstd, other_rstd


def _backward_op(
    grad: Tensor,
    saved: Tensor,
    weight: Tensor,
    rstd: Tensor,
    positions: Tensor,
    frequencies: Tensor,
    from_output: bool,
    unit_offset: bool,
    interleaved: bool,
    start: int,
    gain: float,
    triton: bool,
) -> tuple[Tensor, Tensor]:
    owner = "phasor::norm_rotate_backward"
    check_turn(grad, saved, positions, frequencies, start, owner=owner, same_dtype=False)
    check_norm(saved, None, weight, None, owner=owner)
    check_dense(rstd=rstd)
    check_devices(saved, rstd=rstd)
    if grad.shape != saved.shape or rstd.shape != saved.shape[:3]:
        raise ArgumentError(
            f"{owner} takes grad as saved and rstd [batch, num_heads, seq], got shapes "
            f"{list(grad.shape)}, {list(saved.shape)} and {list(rstd.shape)}"
        )
    check_memory(
        grad=grad, saved=saved, weight=weight, rstd=rstd, positions=positions,
        frequencies=frequencies,
    )  # fmt: skip
    turn = Turn(interleaved, start, gain=gain)
    if triton and use_triton("triton", grad):
        from phasor.kernels.triton.norm_backward import launch

        if grad.stride(-1) != 1:
            grad = grad.contiguous()
        result = torch.empty_like(saved)
        grad_weight = launch(
            grad, saved, weight, rstd, result, positions, frequencies, turn,
            from_output=from_output, unit_offset=unit_offset,
        )  # fmt: skip
        return result, grad_weight.to(weight.dtype)
    cos, sin = cos_sin_by(positions, frequencies, gain=1.0, dtype=rstd.dtype)
    grad_x, grad_weight = norm_rotate_backward_reference(
        grad, saved, weight, rstd, cos, sin, turn, from_output=from_output, unit_offset=unit_offset
    )
    return torch.empty_like(saved).copy_(grad_x), grad_weight.to(weight.dtype)


def _backward_fake(
    grad: Tensor, saved: Tensor, weight: Tensor, *rest: object
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(saved), torch.empty_like(weight)


def _setup(ctx, inputs, output) -> None:
    x, other, weight, other_weight, positions, frequencies, _, *options, save_output = inputs
    out, other_out, rstd, other_rstd = output
    ctx.mark_non_differentiable(rstd, other_rstd)
    ctx.set_materialize_grads(False)
    ctx.options, ctx.save_output, ctx.pair = options, save_output, other is not None
    kept = (out, other_out) if save_output else (x, other)
    ctx.save_for_backward(*kept, weight, other_weight, rstd, other_rstd, positions, frequencies)


def _backward(ctx, grad, grad_other, *_) -> tuple[Tensor | None, ...]:
    x, other, weight, other_weight, rstd, other_rstd, positions, frequencies = ctx.saved_tensors
    grad_x = grad_weight = grad_y = grad_other_weight = None
    shared = (positions, frequencies, ctx.save_output, *ctx.options)
    if grad is not None:
        grad_x, grad_weight = torch.ops.phasor.norm_rotate_backward(grad, x, weight, rstd, *shared)
    if ctx.pair and grad_other is not None:
        grad_y, grad_other_weight = torch.ops.phasor.norm_rotate_backward(
            grad_other, other, other_weight, other_rstd, *shared
        )
    return grad_x, grad_y, grad_weight, grad_other_weight, *(None,) * 9


def _no_second_backward(ctx, *_) -> None:
    raise NotImplementedError(
        "norm_rotate can be differentiated once; for higher derivatives pass impl='reference'"
    )


_LIBRARY.impl("norm_rotate", _norm_rotate, "CompositeExplicitAutograd")
_LIBRARY.impl("norm_rotate_backward", _backward_op, "CompositeExplicitAutograd")
torch.library.register_fake("phasor::norm_rotate", _norm_rotate_fake, lib=_LIBRARY)
torch.library.register_fake("phasor::norm_rotate_backward", _backward_fake, lib=_LIBRARY)
torch.library.register_autograd(
    "phasor::norm_rotate", _backward, setup_context=_setup, lib=_LIBRARY
)
torch.library.register_autograd("phasor::norm_rotate_backward", _no_second_backward, lib=_LIBRARY)

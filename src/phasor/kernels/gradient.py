"""The gradients of the rotation: to activations another rotation, to frequencies a short sum."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from phasor.errors import ArgumentError
from phasor.kernels._turn import Turn
from phasor.kernels.batching import rotate_batched
from phasor.kernels.operator import LIBRARY
from phasor.kernels.reference import along_table, head_angles, rotation
from phasor.kernels.triton import launch_of


def rotate_by_operator(*arguments: Any) -> tuple[Tensor, Tensor]:
    """`phasor::rotate` at every level: `torch.func` wants functions to transform, not kernels.

    And under torch.compile, which cannot see those in a transform, plain operations.
    """
    if not torch._C._are_functorch_transforms_active():
        return torch.ops.phasor.rotate.default(*arguments)
    if not torch.compiler.is_compiling():
        return Rotation.apply(*arguments)
    query, key, positions, frequencies, *how = arguments
    query, key = (rotation(x, positions, frequencies, Turn(*how)) for x in (query, key))
    return query, key


def fused_backward(gradient: Tensor) -> Callable[..., Tensor] | None:
    """The kernel that forms both gradients from one reading of `gradient`, or `None`."""
    return launch_of("rotation_backward") if gradient.is_cuda else None


class Rotation(torch.autograd.Function):
    r"""The rotation, differentiable any number of times.

    $y = g\,R(\theta)\,x$ gives $\bar x = g\,R(-\theta)\,\bar y$, so nothing of the activations is
    saved. Where the frequencies (or positions) are learned, $y$ is:
    $\bar\theta = \sum (y_1 \bar y_2 - y_2 \bar y_1)$, over the heads.
    """

    @staticmethod
    def forward(
        query: Tensor, key: Tensor, positions: Tensor, frequencies: Tensor, *how: Any
    ) -> tuple[Tensor, Tensor]:
        with torch._C._AutoDispatchBelowAutograd():
            return torch.ops.phasor.rotate.default(query, key, positions, frequencies, *how)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        query, key, positions, frequencies, *how = inputs
        ctx.turn = Turn(*how)
        learned = ctx.needs_input_grad[2] or ctx.needs_input_grad[3]
        ctx.save_for_backward(positions, frequencies, *(output if learned else ()))
        ctx.save_for_forward(query, key, positions, frequencies)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        positions, frequencies, *turned = ctx.saved_tensors
        turn = ctx.turn
        fused = fused_backward(gradients[0])
        once = not torch.is_grad_enabled() and not ctx.needs_input_grad[2]
        if turned and once and fused is not None and frequencies.ndim == 2:
            to_query, to_key = (torch.empty_like(gradient) for gradient in gradients)
            to_frequencies = fused(
                *gradients, *turned, to_query, to_key, positions, frequencies, turn
            ).to(frequencies.dtype)
            return to_query, to_key, None, to_frequencies, None, None, None, None
        to_query, to_key = rotate_by_operator(*gradients, positions, frequencies, *turn.back())
        to_positions = to_frequencies = None
        if turned:
            pairs = frequencies.shape[-1]
            to_angles = turn.sign * sum(
                _to_angles(y, gradient, turn, pairs)
                for y, gradient in zip(turned, gradients, strict=True)
            )
            if positions.shape[0] == 1:
                to_angles = to_angles.sum(0, keepdim=True)
            wide = to_angles.dtype
            if ctx.needs_input_grad[3]:
                steps = positions.to(wide).unsqueeze(-1) * to_angles.unsqueeze(-2)
                to_frequencies = steps.sum((0, 1)).to(frequencies.dtype)
            if ctx.needs_input_grad[2]:
                steps = to_angles.unsqueeze(-2) * frequencies.to(wide)
                to_positions = steps.sum(-1).to(positions.dtype)
        return to_query, to_key, to_positions, to_frequencies, None, None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], *arguments: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        return rotate_batched(rotate_by_operator, info.batch_size, in_dims, *arguments)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, Tensor]:
        query, key, positions, frequencies = ctx.saved_tensors
        turn = ctx.turn
        turned = rotate_by_operator(*tangents[:2], positions, frequencies, *turn)
        steps = [
            head_angles(*pair)
            for pair in ((tangents[2], frequencies), (positions, tangents[3]))
            if pair[0] is not None and pair[1] is not None
        ]
        if not steps:
            return turned
        angle, along = head_angles(positions, frequencies), sum(steps)
        to_cos = -angle.sin() * along * turn.gain
        to_sin = angle.cos() * along * (turn.sign * turn.gain)
        query, key = (
            y + along_table(x, to_cos, to_sin, turn)
            for y, x in zip(turned, (query, key), strict=True)
        )
        return query, key


def _to_angles(y: Tensor, gradient: Tensor, turn: Turn, pairs: int) -> Tensor:
    """`[batch, seq, pairs]`, in float32 at least: products are summed over the heads."""
    wide = torch.promote_types(y.dtype, torch.float32)
    parts = []
    for x in (y, gradient):
        turning = x[..., turn.start : turn.start + 2 * pairs].to(wide)
        if turn.interleaved:
            parts.append(turning.unflatten(-1, (pairs, 2)).unbind(-1))
        else:
            parts.append(turning.split((pairs, pairs), dim=-1))
    (y1, y2), (g1, g2) = parts
    return (y1 * g2 - y2 * g1).sum(1)


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether autograd, backward or forward, has to hear of an operation on these."""
    if forward_ad._current_level >= 0:
        return True
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)


def _rotate_differentiably(
    query: Tensor, key: Tensor, positions: Tensor, frequencies: Tensor, *how: Any
) -> tuple[Tensor, Tensor]:
    if needs_gradient(query, key, positions, frequencies):
        return Rotation.apply(query, key, positions, frequencies, *how)
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.phasor.rotate.default(query, key, positions, frequencies, *how)


def _refuse_to_differentiate(
    query: Tensor, key: Tensor | None, positions: Tensor, frequencies: Tensor, *how: Any
) -> None:
    if needs_gradient(query, key, positions, frequencies):
        raise ArgumentError(
            "phasor::rotate_ has no gradient, got a tensor that requires one; call phasor.rotate("
            "..., inplace=True), which is differentiable, or use torch.no_grad()"
        )
    with torch._C._AutoDispatchBelowAutograd():
        torch.ops.phasor.rotate_.default(query, key, positions, frequencies, *how)


def _rotate_batched(info: Any, in_dims: Any, *arguments: Any) -> Any:
    rotate = torch.ops.phasor.rotate.default
    return rotate_batched(rotate, info.batch_size, in_dims, *arguments)


def _rotate_in_place_batched(info: Any, in_dims: Any, *arguments: Any) -> None:
    raise NotImplementedError(
        "phasor::rotate_ cannot be mapped by vmap; rotate with inplace=False inside of it"
    )


LIBRARY.impl("rotate", _rotate_differentiably, "Autograd")
LIBRARY.impl("rotate_", _refuse_to_differentiate, "Autograd")
torch.library.register_vmap("phasor::rotate", _rotate_batched, lib=LIBRARY)
torch.library.register_vmap("phasor::rotate_", _rotate_in_place_batched, lib=LIBRARY)

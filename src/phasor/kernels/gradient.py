"""The gradients of the rotation: to activations another rotation, to frequencies a short sum."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from phasor.kernels.batching import rotate_batched
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
    *activations, positions, frequencies, interleaved, start, sign, gain = arguments
    query, key = (
        rotation(
            x, positions, frequencies, interleaved=interleaved, start=start, sign=sign, gain=gain
        )
        for x in activations
    )
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
        query, key, positions, frequencies, *ctx.how = inputs
        learned = ctx.needs_input_grad[2] or ctx.needs_input_grad[3]
        ctx.save_for_backward(positions, frequencies, *(output if learned else ()))
        ctx.save_for_forward(query, key, positions, frequencies)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        positions, frequencies, *turned = ctx.saved_tensors
        interleaved, start, sign, gain = ctx.how
        fused = fused_backward(gradients[0])
        once = not torch.is_grad_enabled() and not ctx.needs_input_grad[2]
        if turned and once and fused is not None and frequencies.ndim == 2:
            to_query, to_key = (torch.empty_like(gradient) for gradient in gradients)
            to_frequencies = fused(
                *gradients, *turned, to_query, to_key, positions, frequencies,
                interleaved=interleaved, start=start, sign=sign, gain=gain,
            ).to(frequencies.dtype)  # fmt: skip
            return to_query, to_key, None, to_frequencies, None, None, None, None
        to_query, to_key = rotate_by_operator(
            *gradients, positions, frequencies, interleaved, start, -sign, gain
        )
        to_positions = to_frequencies = None
        if turned:
            pairs = frequencies.shape[-1]
            to_angles = sign * sum(
                _to_angles(y, gradient, interleaved, start, pairs)
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
        interleaved, start, sign, gain = ctx.how
        turned = rotate_by_operator(*tangents[:2], positions, frequencies, *ctx.how)
        steps = [
            head_angles(*pair)
            for pair in ((tangents[2], frequencies), (positions, tangents[3]))
            if pair[0] is not None and pair[1] is not None
        ]
        if not steps:
            return turned
        angle, along = head_angles(positions, frequencies), sum(steps)
        to_cos, to_sin = -angle.sin() * along * gain, angle.cos() * along * (sign * gain)
        query, key = (
            y + along_table(x, to_cos, to_sin, interleaved=interleaved, start=start)
            for y, x in zip(turned, (query, key), strict=True)
        )
        return query, key


def _to_angles(y: Tensor, gradient: Tensor, interleaved: bool, start: int, pairs: int) -> Tensor:
    """`[batch, seq, pairs]`, in float32 at least: products are summed over the heads."""
    wide = torch.promote_types(y.dtype, torch.float32)
    parts = []
    for x in (y, gradient):
        turning = x[..., start : start + 2 * pairs].to(wide)
        if interleaved:
            parts.append(turning.unflatten(-1, (pairs, 2)).unbind(-1))
        else:
            parts.append(turning.split((pairs, pairs), dim=-1))
    (y1, y2), (g1, g2) = parts
    return (y1 * g2 - y2 * g1).sum(1)

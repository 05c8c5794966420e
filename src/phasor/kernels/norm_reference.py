"""RMSNorm of each head and rotation in plain PyTorch: the judge of the fused kernels."""

import torch
from torch import Tensor

from phasor.kernels._turn import Turn
from phasor.kernels.reference import apply_rotation
from phasor.rotary.phase import angles_of


def cos_sin_by(
    positions: Tensor, frequencies: Tensor, *, gain: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine `[batch, seq, pairs]` of `positions [batch, seq, axes]`, times `gain`."""
    angle = angles_of(positions, frequencies)
    return (angle.cos() * gain).to(dtype), (angle.sin() * gain).to(dtype)


def norm_rotate_reference(
    x: Tensor,
    weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    turn: Turn,
    *,
    eps: float,
    unit_offset: bool,
) -> tuple[Tensor, Tensor]:
    r"""$R\,\bigl(w \odot x / \sqrt{\overline{x^2} + \epsilon}\bigr)$ for each head, rounded once.

    Args:
        x: `[batch, heads, seq, head_dim]`.
        weight: `[head_dim]`.
        cos: `[batch, seq, pairs]`, with the gain; its dtype is that of the arithmetic.
        sin: As `cos`.
        turn: Which channels turn; its factor is in the table.
        eps: Added to the mean of squares.
        unit_offset: Whether the factor is 1 + w instead of w.

    Returns:
        The result in the dtype of `x`, and $1/\sqrt{\cdot}$, `[batch, heads, seq]`, in that of
        `cos`.
    """
    wide = x.to(cos.dtype)
    rstd = (wide.square().mean(-1) + eps).rsqrt()
    factor = weight.to(cos.dtype) + (1.0 if unit_offset else 0.0)
    normed = wide * rstd.unsqueeze(-1) * factor
    turned = apply_rotation(normed, cos, sin, layout=turn.layout, start=turn.start)
    return turned.to(x.dtype), rstd


def norm_rotate_backward_reference(
    grad: Tensor,
    saved: Tensor,
    weight: Tensor,
    rstd: Tensor,
    cos: Tensor,
    sin: Tensor,
    turn: Turn,
    *,
    from_output: bool,
    unit_offset: bool,
) -> tuple[Tensor, Tensor]:
    r"""Gradients to input and weight, from the input or from the output alone.

    With $\hat x$ the normalised input before its weight, $g' = R^{-1}g$ and $r$ the reciprocal
    root mean square: $dw = \sum g' \odot \hat x$ and
    $dx = r\,(w g' - \hat x\,\overline{w g' \odot \hat x})$. The output gives
    $\hat x = R^{-1}y / w$.

    Args:
        grad: To the output, `[batch, heads, seq, head_dim]`.
        saved: Input, or with `from_output` the output.
        weight: `[head_dim]`.
        rstd: `[batch, heads, seq]`.
        cos: `[batch, seq, pairs]`, without the gain.
        sin: As `cos`.
        turn: Which channels turn, and their factor.
        from_output: What `saved` is.
        unit_offset: Whether the factor is 1 + w.

    Returns:
        Gradients to the input, in the dtype of `saved`, and to the weight, in that of `cos`.
    """
    dtype = cos.dtype
    factor = weight.to(dtype) + (1.0 if unit_offset else 0.0)

    def turned_back(x: Tensor, gain: float) -> Tensor:
        return apply_rotation(
            x.to(dtype), cos * gain, -sin * gain, layout=turn.layout, start=turn.start
        )

    if from_output:
        normal = turned_back(saved, 1 / turn.gain) / factor
    else:
        normal = saved.to(dtype) * rstd.unsqueeze(-1)
    grad = turned_back(grad, turn.gain)
    grad_weight = (grad * normal).sum((0, 1, 2))
    grad = grad * factor
    along = (grad * normal).mean(-1, keepdim=True)
    return ((grad - normal * along) * rstd.unsqueeze(-1)).to(saved.dtype), grad_weight


def weight_spread(weight: Tensor, turn: Turn, *, pairs: int, unit_offset: bool) -> Tensor:
    """By how much rebuilding the normalised input from the output enlarges its rounding error.

    A pair's output is rounded relative to the larger of its channels; divided by the smaller
    weight, that error grows by the ratio of the two. Infinite where a weight is zero, which leaves
    nothing to rebuild from.
    """
    factor = (weight.detach().double() + (1.0 if unit_offset else 0.0)).abs()
    turning = factor[turn.start : turn.start + 2 * pairs]
    couples = turning.view(pairs, 2) if turn.interleaved else turning.view(2, pairs).T
    ratio = (couples.amax(1) / couples.amin(1)).max()
    # 0 / 0 is a pair of zeros; a vanishing weight of an unturned channel is no better.
    lost = (factor < torch.finfo(torch.float32).tiny).any() | ratio.isnan()
    return torch.where(lost, torch.inf, ratio)

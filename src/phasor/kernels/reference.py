"""The rotation in plain PyTorch: the judge of every other implementation."""

import torch
from torch import Tensor

from phasor.rotary.layout import Layout, RotarySlice


def apply_rotation(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    *,
    layout: Layout,
    rotary_slice: RotarySlice = "leading",
) -> Tensor:
    r"""Turn each pair $(x_1, x_2)$ to $(x_1\cos - x_2\sin,\; x_2\cos + x_1\sin)$.

    Args:
        x: `[batch, num_heads, seq, head_dim]`.
        cos: `[seq, pairs]` or `[batch, seq, pairs]`. Arithmetic is done in the wider of its dtype
            and that of `x`.
        sin: As `cos`.
        layout: `"half"` or `"interleaved"`, within the channels that turn.
        rotary_slice: Whether those are the first `2 * pairs` channels or the last.

    Returns:
        Same shape and dtype as `x`; the other channels are copied unchanged.
    """
    if cos.ndim == 3:
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    pairs = cos.shape[-1]
    wide = x.to(torch.promote_types(x.dtype, cos.dtype))
    rest = x.shape[-1] - 2 * pairs
    if rotary_slice == "leading":
        turning, still = wide.split((2 * pairs, rest), dim=-1)
    else:
        still, turning = wide.split((rest, 2 * pairs), dim=-1)
    if layout == "half":
        first, second = turning.split((pairs, pairs), dim=-1)
        parts = (first * cos - second * sin, second * cos + first * sin)
    else:
        first, second = turning.unflatten(-1, (pairs, 2)).unbind(-1)
        pair = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1)
        parts = (pair.flatten(-2),)
    turned = torch.cat((*parts, still) if rotary_slice == "leading" else (still, *parts), dim=-1)
    return turned.to(x.dtype)

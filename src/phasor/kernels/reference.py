"""The rotation in plain PyTorch: the judge of every other implementation."""

import torch
from torch import Tensor

from phasor.rotary.layout import Layout


def apply_rotation(x: Tensor, cos: Tensor, sin: Tensor, *, layout: Layout) -> Tensor:
    r"""Turn each pair $(x_1, x_2)$ to $(x_1\cos - x_2\sin,\; x_2\cos + x_1\sin)$.

    Args:
        x: `[batch, num_heads, seq, head_dim]`.
        cos: `[seq, pairs]` or `[batch, seq, pairs]`. Arithmetic is done in the wider of its dtype
            and that of `x`.
        sin: As `cos`.
        layout: `"half"` or `"interleaved"`, within the leading `2 * pairs` channels.

    Returns:
        Same shape and dtype as `x`; channels past `2 * pairs` are copied unchanged.
    """
    if cos.ndim == 3:
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    pairs = cos.shape[-1]
    wide = x.to(torch.promote_types(x.dtype, cos.dtype))
    rest = x.shape[-1] - 2 * pairs
    if layout == "half":
        first, second, still = wide.split((pairs, pairs, rest), dim=-1)
        turned = torch.cat((first * cos - second * sin, second * cos + first * sin, still), dim=-1)
    else:
        turning, still = wide.split((2 * pairs, rest), dim=-1)
        first, second = turning.unflatten(-1, (pairs, 2)).unbind(-1)
        pair = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1)
        turned = torch.cat((pair.flatten(-2), still), dim=-1)
    return turned.to(x.dtype)

"""The rotation in plain PyTorch: the judge of every other implementation."""

import torch
from torch import Tensor

from phasor.rotary.layout import Layout
from phasor.rotary.phase import angles_of, table_dtype


def rotation(
    x: Tensor,
    positions: Tensor,
    frequencies: Tensor,
    *,
    interleaved: bool,
    start: int,
    sign: int,
    gain: float,
) -> Tensor:
    r"""$g\,R(\pm\theta)\,x$ on the channels that turn: what each kernel computes.

    Args:
        x: `[batch, num_heads, seq, head_dim]`.
        positions: `[batch or 1, seq, axes]`.
        frequencies: `[axes, pairs]`, or `[num_heads, axes, pairs]`; see `angles_of`.
        interleaved: Whether channels 2i and 2i + 1 form a pair, instead of i and i + pairs.
        start: First channel that turns.
        sign: 1 to turn, -1 to turn back.
        gain: Factor on the channels that turn.

    Returns:
        Same shape and dtype as `x`; the other channels are copied unchanged.
    """
    angle = head_angles(positions, frequencies)
    dtype = table_dtype(x.dtype)
    cos, sin = (angle.cos() * gain).to(dtype), (angle.sin() * (sign * gain)).to(dtype)
    layout: Layout = "interleaved" if interleaved else "half"
    return apply_rotation(x, cos, sin, layout=layout, start=start)


def head_angles(positions: Tensor, frequencies: Tensor) -> Tensor:
    """`[batch or 1, 1 or num_heads, seq, pairs]`; the arguments are as for `rotation`."""
    if frequencies.ndim == 2:
        return angles_of(positions, frequencies).unsqueeze(1)
    return angles_of(positions[:, None], frequencies[:, None])


def apply_rotation(
    x: Tensor, cos: Tensor, sin: Tensor, *, layout: Layout, start: int = 0
) -> Tensor:
    r"""Turn each pair $(x_1, x_2)$ to $(x_1\cos - x_2\sin,\; x_2\cos + x_1\sin)$.

    Args:
        x: `[batch, num_heads, seq, head_dim]`.
        cos: `[seq, pairs]` or `[batch, seq, pairs]`, or with an axis for heads after the batch.
            Arithmetic is done in the wider of its dtype and that of `x`.
        sin: As `cos`.
        layout: `"half"` or `"interleaved"`, within the channels that turn.
        start: The first of the `2 * pairs` channels that turn.

    Returns:
        Same shape and dtype as `x`; the other channels are copied unchanged.
    """
    if cos.ndim == 3:
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    pairs = cos.shape[-1]
    wide = x.to(torch.promote_types(x.dtype, cos.dtype))
    # `split`, not slices: the backward of a slice fills a tensor with zeros.
    before, turning, after = wide.split((start, 2 * pairs, x.shape[-1] - start - 2 * pairs), dim=-1)
    if layout == "interleaved":
        first, second = turning.unflatten(-1, (pairs, 2)).unbind(-1)
        pair = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1)
        parts = (pair.flatten(-2),)
    else:
        first, second = turning.split((pairs, pairs), dim=-1)
        parts = (first * cos - second * sin, second * cos + first * sin)
    return torch.cat((before, *parts, after), dim=-1).to(x.dtype)


def along_table(x: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool, start: int) -> Tensor:
    """How the rotation of `x` changes as its table changes by `cos` and `sin`.

    Args:
        x: `[batch, num_heads, seq, head_dim]`.
        cos: The tangent of the cosines, as for `apply_rotation`.
        sin: That of the sines.
        interleaved: Whether channels 2i and 2i + 1 form a pair, instead of i and i + pairs.
        start: First channel that turns.

    Returns:
        Same shape and dtype as `x`; 0 for the channels that do not turn.
    """
    rest = x.shape[-1] - start - 2 * cos.shape[-1]
    layout: Layout = "interleaved" if interleaved else "half"
    turning = x.narrow(-1, start, 2 * cos.shape[-1])
    return torch.nn.functional.pad(apply_rotation(turning, cos, sin, layout=layout), (start, rest))

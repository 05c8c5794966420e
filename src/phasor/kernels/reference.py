"""The rotation in plain PyTorch: the judge of every other implementation."""

import torch
from torch import Tensor

from phasor.kernels._turn import Turn
from phasor.rotary.layout import Layout
from phasor.rotary.phase import angles_of, table_dtype


def rotation(x: Tensor, positions: Tensor, frequencies: Tensor, turn: Turn) -> Tensor:
    r"""$g\,R(\pm\theta)\,x$ on the channels that turn: what each kernel computes.

    Args:
        x: `[batch, num_heads, seq, head_dim]`.
        positions: `[batch or 1, seq, axes]`.
        frequencies: `[axes, pairs]`, or `[num_heads, axes, pairs]`; see `angles_of`.
        turn: Which channels turn, and how.

    Returns:
        Same shape and dtype as `x`; the other channels are copied unchanged.
    """
    angle = head_angles(positions, frequencies)
    dtype = table_dtype(x.dtype)
    cos = (angle.cos() * turn.gain).to(dtype)
    sin = (angle.sin() * (turn.sign * turn.gain)).to(dtype)
    return apply_rotation(x, cos, sin, layout=turn.layout, start=turn.start)


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


def along_table(x: Tensor, cos: Tensor, sin: Tensor, turn: Turn) -> Tensor:
    """How the rotation of `x` changes as its table changes by `cos` and `sin`.

    Args:
        x: `[batch, num_heads, seq, head_dim]`.
        cos: The tangent of the cosines, as for `apply_rotation`.
        sin: That of the sines.
        turn: Which channels turn; its sign and factor are in the tangents.

    Returns:
        Same shape and dtype as `x`; 0 for the channels that do not turn.
    """
    rest = x.shape[-1] - turn.start - 2 * cos.shape[-1]
    turning = x.narrow(-1, turn.start, 2 * cos.shape[-1])
    changed = apply_rotation(turning, cos, sin, layout=turn.layout)
    return torch.nn.functional.pad(changed, (turn.start, rest))

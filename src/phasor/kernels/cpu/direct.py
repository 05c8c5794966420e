"""The shortest way from a call to the kernel, for the usual case of tensors that nobody watches.

A decoding step is over in microseconds, of which PyTorch's dispatcher alone takes five. Whatever is
out of the ordinary here is left to the general way, which also words the errors.
"""

import torch
from torch import Tensor

from phasor.kernels.checks import LOWEST, is_unwatched, may_share
from phasor.kernels.cpu.launch import ANGLE_SOURCE, DTYPES, NO_KEY, POSITION_DTYPES, call
from phasor.kernels.cpu.library import rotate_function

# By the numbers of `DTYPES` and `POSITION_DTYPES`: the bits of an address that are not set.
_ACROSS = (3, 1, 1, 7)
_POSITION_ACROSS = (7, 3, 7, 3)


def rotate_at_once(
    query: Tensor,
    key: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    interleaved: bool,
    trailing: bool,
    sign: int,
    gain: float,
    inplace: bool,
) -> tuple[Tensor, Tensor | None] | None:
    """The rotation, or `None` if any of this is not plain to see to be right.

    Args:
        query: `[batch, num_heads, seq, head_dim]`, or anything.
        key: `[batch, num_kv_heads, seq, head_dim]`, or `None`, or anything.
        positions: `[seq]` or `[batch, seq]`, with a last axis for several axes, or anything.
        frequencies: `[axes, pairs]`, contiguous, as in `launch`, for these positions.
        interleaved: Which channels form a pair.
        trailing: Which channels turn.
        sign: 1 to turn, -1 to turn back.
        gain: Factor on the channels that turn.
        inplace: Whether to overwrite query and key.

    Returns:
        Rotated query and key, or `None`.
    """
    by_shape = frequencies.shape
    if len(by_shape) != 2 or not is_unwatched(query, positions, frequencies, key):
        return None
    function = rotate_function()
    dtype = query.dtype
    code = DTYPES.get(dtype)
    position_code = POSITION_DTYPES.get(positions.dtype)
    source = ANGLE_SOURCE[frequencies.dtype]
    try:
        shape, place_shape = query.shape, positions.shape
        address, place_address = query.data_ptr(), positions.data_ptr()
    except RuntimeError:  # not dense
        return None
    axes, pairs = by_shape
    axis_step = 0
    if axes > 1:
        if not place_shape or place_shape[-1] != axes:
            return None
        axis_step, place_shape = positions.stride(-1), place_shape[:-1]
    if (
        function is None
        or code is None
        or position_code is None
        or (source == 0 and position_code > 1)
        or len(shape) != 4
        or shape[3] < 2 * pairs
    ):
        return None
    batch, heads, seq, head_dim = shape
    if len(place_shape) == 1:
        place_batches, batch_step, seq_step = 1, 0, positions.stride(0)
    elif len(place_shape) == 2 and (place_shape[0] == batch or place_shape[0] == 1):
        place_batches, (batch_step, seq_step, *_) = place_shape[0], positions.stride()
    else:
        return None
    at_batch, at_head, at_seq, at_channel = query.stride()
    width = _width(batch, heads, seq, head_dim, at_batch, at_head, at_seq)
    if place_shape[-1] != seq or at_channel != 1 or not width:
        return None
    frequency_address = frequencies.data_ptr()
    if (
        address < LOWEST
        or place_address < LOWEST
        or frequency_address < LOWEST
        or address & _ACROSS[code]
        or place_address & _POSITION_ACROSS[position_code]
        or frequency_address & 7
    ):
        return None
    of_key, key_out, key_width = NO_KEY, None, 0
    if key is not None:
        try:
            key_shape, key_address = key.shape, key.data_ptr()
        except RuntimeError:  # not dense
            return None
        if (
            key.dtype != dtype
            or len(key_shape) != 4
            or key_shape[0] != batch
            or key_shape[2] != seq
            or key_shape[3] != head_dim
        ):
            return None
        kv_heads = key_shape[1]
        key_batch, key_head, key_seq, key_channel = key.stride()
        key_width = _width(batch, kv_heads, seq, head_dim, key_batch, key_head, key_seq)
        if key_channel != 1 or not key_width or key_address < LOWEST or key_address & _ACROSS[code]:
            return None
        if inplace:
            apart = (key_address - address) // query.itemsize
            if (
                -key_width < apart < width
                # Columns of one buffer, as a fused projection leaves them.
                and not (
                    at_seq == key_seq
                    and at_batch == key_batch
                    and at_head < at_seq
                    and (batch == 1 or at_batch % at_seq == 0)
                    and heads * at_head <= apart <= at_seq - kv_heads * key_head
                )
            ):
                return None
            key_out = key
            of_key = (
                key_address, key_address, kv_heads,
                key_batch, key_head, key_seq, key_batch, key_head, key_seq,
            )  # fmt: skip
        else:
            key_out = torch.empty_like(key)
            of_key = (
                key_address, key_out.data_ptr(), kv_heads,
                key_batch, key_head, key_seq, *key_out.stride()[:3],
            )  # fmt: skip
    if inplace and (source or position_code > 1):
        # What it turns by must not change under way, and floats may be part of it.
        for x, begin, elements in ((query, address, width), (key, of_key[0], key_width)):
            end = begin + 8 * elements
            if source and begin - 8 * axes * pairs < frequency_address < end:
                return None
            if position_code > 1 and x is not None and may_share(x, positions):
                return None
    out, out_address = query, address
    out_batch, out_head, out_seq = at_batch, at_head, at_seq
    if not inplace:
        out = torch.empty_like(query)
        out_batch, out_head, out_seq, _ = out.stride()
        out_address = out.data_ptr()
    fields = (
        code, source, position_code, interleaved,
        batch, seq, head_dim, head_dim - 2 * pairs if trailing else 0, axes, pairs,
        torch.get_num_threads(), 1 if key is None else 2, sign, gain,
        place_address, frequency_address,
        place_batches, batch_step, seq_step, axis_step,
        address, out_address, heads,
        at_batch, at_head, at_seq, out_batch, out_head, out_seq,
        *of_key,
    )  # fmt: skip
    call(function, fields)
    if inplace and not query.is_inference():
        # Autograd cannot see a kernel write; told of it, it refuses values that it saved before.
        torch._C._increment_version([query] if key is None else [query, key])
    return out, key_out


def _width(
    batch: int, heads: int, seq: int, head_dim: int, at_batch: int, at_head: int, at_seq: int
) -> int:
    """Elements from first to last, rounded up; 0 unless they plainly lie apart from each other."""
    if at_seq >= head_dim and at_head >= seq * at_seq:
        row = heads * at_head
    elif at_head >= head_dim and at_seq >= heads * at_head:
        row = seq * at_seq
    else:
        return 0
    if batch == 1:
        return row
    return batch * at_batch if at_batch >= row else 0

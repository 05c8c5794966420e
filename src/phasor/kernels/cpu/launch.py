"""From tensors to addresses: one call of the native rotation."""

import torch
from torch import Tensor

from phasor.kernels.cpu.library import CALL, rotate_function

NO_KEY = (0,) * 9
DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2, torch.float64: 3}
POSITION_DTYPES = {torch.int64: 0, torch.int32: 1, torch.float64: 2, torch.float32: 3}
ROADS = {torch.int64: 0, torch.float64: 1, torch.float32: 2}


def launch(
    query: Tensor,
    key: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    *,
    interleaved: bool,
    start: int,
    sign: int,
    gain: float,
) -> None:
    r"""Write $g\,R(\pm\theta)\,x$ of query and key into `query_out` and `key_out`.

    Args:
        query: `[batch, num_heads, seq, head_dim]`, any strides whose last one is 1; float32,
            bfloat16, float16 or float64.
        key: `[batch, num_kv_heads, seq, head_dim]`, of the same dtype, or `None`.
        query_out: As `query`, with strides of its own; `query` itself to turn it in place.
        key_out: As `key`.
        positions: `[batch or 1, seq, axes]`; for one axis also `[seq]` or `[batch or 1, seq]`.
        frequencies: `[axes, pairs]`, contiguous. Their dtype says how angles are formed: int64 for
            fixed-point turns, float64 for radians, float32 for what transformers does.
        interleaved: Whether channels 2i and 2i + 1 form a pair, instead of i and i + pairs.
        start: First channel that turns. Channels that do not are copied, or not touched in place.
        sign: 1 to turn, -1 to turn back.
        gain: Factor on the channels that turn.
    """
    position_dtype = POSITION_DTYPES.get(positions.dtype)
    if position_dtype is None:
        positions = positions.double() if positions.is_floating_point() else positions.long()
        position_dtype = POSITION_DTYPES[positions.dtype]
    batch, heads, seq, head_dim = query.shape
    axes, pairs = frequencies.shape
    steps = positions.stride()
    if len(steps) == 3:
        position_batches, (batch_step, seq_step, axis_step) = positions.shape[0], steps
    elif len(steps) == 2:
        position_batches, (batch_step, seq_step), axis_step = positions.shape[0], steps, 0
    else:
        position_batches, batch_step, seq_step, axis_step = 1, 0, steps[0], 0
    of_key, tensors = NO_KEY, 1
    if key is not None and key_out is not None:
        in_batch, in_head, in_seq, _ = key.stride()
        out_batch, out_head, out_seq, _ = key_out.stride()
        of_key, tensors = (
            (
                key.data_ptr(), key_out.data_ptr(), key.shape[1],
                in_batch, in_head, in_seq, out_batch, out_head, out_seq,
            ),
            2,
        )  # fmt: skip
    in_batch, in_head, in_seq, _ = query.stride()
    out_batch, out_head, out_seq, _ = query_out.stride()
    call = CALL.pack(
        DTYPES[query.dtype], ROADS[frequencies.dtype], position_dtype, interleaved,
        batch, seq, head_dim, start, axes, pairs, torch.get_num_threads(), tensors,
        sign, gain,
        positions.data_ptr(), frequencies.data_ptr(),
        position_batches, batch_step, seq_step, axis_step,
        query.data_ptr(), query_out.data_ptr(), heads,
        in_batch, in_head, in_seq, out_batch, out_head, out_seq,
        *of_key,
    )  # fmt: skip
    if rotate_function()(call):
        raise MemoryError(f"no memory for the angles of {seq} tokens with {pairs} pairs each")


def supports(dtype: torch.dtype) -> bool:
    """Whether the kernel can turn activations of this dtype."""
    return dtype in DTYPES

"""From tensors to addresses: one call of the native rotation."""

from typing import Any

import torch
from torch import Tensor

from phasor.kernels._turn import Turn
from phasor.kernels.cpu.library import CALL, rotate_function

NO_KEY = (0,) * 9
DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2, torch.float64: 3}
POSITION_DTYPES = {torch.int64: 0, torch.int32: 1, torch.float64: 2, torch.float32: 3}
# By the dtype of frequencies, how an angle is formed from them.
ANGLE_SOURCE = {torch.int64: 0, torch.float64: 1, torch.float32: 2}


def launch(
    query: Tensor,
    key: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    turn: Turn,
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
        turn: How. Channels that do not turn are copied, or not touched in place.
    """
    position_dtype = POSITION_DTYPES.get(positions.dtype)
    if position_dtype is None:
        positions = positions.double() if positions.is_floating_point() else positions.long()
        position_dtype = POSITION_DTYPES[positions.dtype]
    steps = positions.stride()
    if len(steps) == 3:
        position_batches, (batch_step, seq_step, axis_step) = positions.shape[0], steps
    elif len(steps) == 2:
        position_batches, (batch_step, seq_step), axis_step = positions.shape[0], steps, 0
    else:
        position_batches, batch_step, seq_step, axis_step = 1, 0, steps[0], 0
    places = (
        positions.data_ptr(), frequencies.data_ptr(),
        position_batches, batch_step, seq_step, axis_step,
    )  # fmt: skip
    source, (axes, pairs) = ANGLE_SOURCE[frequencies.dtype], frequencies.shape
    turn_heads(
        query, key, query_out, key_out, source, position_dtype, axes, pairs, places, turn
    )  # fmt: skip


def turn_heads(
    query: Tensor,
    key: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    source: int,
    by_dtype: int,
    axes: int,
    pairs: int,
    places: tuple[int, ...],
    turn: tuple[bool, int, int, float],
) -> None:
    """Turn by positions or by a table, whose addresses are known.

    Args:
        query: As in `launch`, with `key` and the outs; a key without heads is none.
        key: See there.
        query_out: See there.
        key_out: See there.
        source: Where angles come from: a road of call.h.
        by_dtype: The number of the dtype of positions or table.
        axes: Of the positions; 1 for a table.
        pairs: That turn.
        places: Addresses of positions and frequencies, or of cosines and sines; how many batches
            they have, and their strides along batch, seq and axis.
        turn: A `Turn`, or its fields.
    """
    interleaved, start, sign, gain = turn
    batch, heads, seq, head_dim = query.shape
    of_key, tensors = NO_KEY, 1
    if key is not None and key_out is not None and key.shape[1]:
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
    fields = (
        DTYPES[query.dtype], source, by_dtype, interleaved,
        batch, seq, head_dim, start, axes, pairs,
        torch.get_num_threads(), tensors, sign, gain, *places,
        query.data_ptr(), query_out.data_ptr(), heads,
        in_batch, in_head, in_seq, out_batch, out_head, out_seq,
        *of_key,
    )  # fmt: skip
    call(rotate_function(), fields)


def call(function: Any, fields: tuple[float, ...]) -> None:
    """Call the native rotation, `rotate_function()`, with the fields of `Call` in their order."""
    if function(CALL.pack(*fields)):
        raise MemoryError(f"no memory for the angles of {fields[5]} tokens, {fields[9]} pairs each")


def supports(dtype: torch.dtype) -> bool:
    """Whether the kernel can turn activations of this dtype."""
    return dtype in DTYPES

"""The rotation into a cache as operators whose mutations are declared."""

from typing import Any

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError
from phasor.kernels._turn import Turn
from phasor.kernels.cache_reference import write_rows_reference
from phasor.kernels.checks import check_devices, check_overwritten, may_share
from phasor.kernels.norm_checks import use_triton
from phasor.kernels.norm_reference import cos_sin_by, norm_rotate_reference
from phasor.kernels.operands import check_memory, check_norm, check_turn
from phasor.kernels.reference import apply_rotation
from phasor.positions.checks import check_dense, check_integers
from phasor.rotary.phase import table_dtype

_REST = (
    "Tensor key, Tensor value, Tensor? query_weight, Tensor? key_weight, Tensor(a!) key_cache, "
    "Tensor(b!) value_cache, Tensor slots, Tensor positions, Tensor frequencies, int block_size, "
    "float eps, bool unit_offset, bool interleaved, int start, float gain, bool triton"
)
_LIBRARY = torch.library.Library("phasor", "FRAGMENT")
_LIBRARY.define(f"rotate_into_cache(Tensor query, {_REST}) -> Tensor")
_LIBRARY.define(f"rotate_into_cache_(Tensor(c!) query, {_REST}) -> ()")


def _write(
    query: Tensor,
    query_out: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor | None,
    key_weight: Tensor | None,
    key_cache: Tensor,
    value_cache: Tensor,
    slots: Tensor,
    positions: Tensor,
    frequencies: Tensor,
    block_size: int,
    eps: float,
    unit_offset: bool,
    interleaved: bool,
    start: int,
    gain: float,
    triton: bool,
) -> None:
    _check(
        query, key, value, query_weight, key_weight, key_cache, value_cache, slots, positions,
        frequencies, block_size, start,
    )  # fmt: skip
    check_memory(
        query=query, key=key, value=value, query_weight=query_weight, key_weight=key_weight,
        key_cache=key_cache, value_cache=value_cache, slots=slots, positions=positions,
        frequencies=frequencies,
    )  # fmt: skip
    _check_written(query, query_out, key, value, key_cache, value_cache)
    _check_slots(slots, key_cache.shape[0] * block_size if block_size else key_cache.shape[2])
    turn = Turn(interleaved, start, gain=gain)
    if triton and use_triton("triton", query):
        from phasor.kernels.triton.cache import launch

        launch(
            query, key, value, query_weight, key_weight, query_out, key_cache, value_cache, slots,
            positions, frequencies, turn, block_size=block_size, eps=eps, unit_offset=unit_offset,
        )  # fmt: skip
        return
    cos, sin = cos_sin_by(positions, frequencies, gain=gain, dtype=table_dtype(query.dtype))

    def turned(x: Tensor, weight: Tensor | None) -> Tensor:
        if weight is None:
            return apply_rotation(x, cos, sin, layout=turn.layout, start=start)
        return norm_rotate_reference(x, weight, cos, sin, turn, eps=eps, unit_offset=unit_offset)[0]

    write_rows_reference(turned(key, key_weight), key_cache, slots, block_size=block_size)
    write_rows_reference(value, value_cache, slots, block_size=block_size)
    query_out.copy_(turned(query, query_weight))


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor | None,
    key_weight: Tensor | None,
    key_cache: Tensor,
    value_cache: Tensor,
    slots: Tensor,
    positions: Tensor,
    frequencies: Tensor,
    block_size: int,
    start: int,
) -> None:
    owner = "phasor::rotate_into_cache"
    check_turn(query, key, positions, frequencies, start, owner=owner, same_dtype=False)
    if query_weight is not None or key_weight is not None:
        check_norm(query, key, query_weight, key_weight, owner=owner)
    check_integers("slots", slots, advice="one row of the cache for each token")
    check_dense(value=value, key_cache=key_cache, value_cache=value_cache, slots=slots)
    check_devices(query, value=value, key_cache=key_cache, value_cache=value_cache, slots=slots)
    batch, heads, seq, _ = key.shape
    if value.shape[:3] != key.shape[:3] or value.ndim != 4 or slots.shape != (batch, seq):
        raise ArgumentError(
            f"{owner} takes value [batch, num_kv_heads, seq, value_dim] and slots [batch, seq] for "
            f"key {list(key.shape)}, got shapes {list(value.shape)} and {list(slots.shape)}"
        )
    blocks = key_cache.shape[0] if block_size else batch
    rows = block_size or key_cache.shape[2]
    for what, x, cache in (("key", key, key_cache), ("value", value, value_cache)):
        if cache.shape != (blocks, heads, rows, x.shape[3]):
            raise ArgumentError(
                f"{what}_cache must be [{blocks}, {heads}, {rows}, {x.shape[3]}] for {what} "
                f"{list(x.shape)} and block_size {block_size}, got {list(cache.shape)}"
            )
        if cache.dtype != x.dtype:
            raise ArgumentTypeError(
                f"{what}_cache must have the dtype of {what}, {x.dtype}, got {cache.dtype}"
            )


def _check_written(
    query: Tensor,
    query_out: Tensor,
    key: Tensor,
    value: Tensor,
    key_cache: Tensor,
    value_cache: Tensor,
) -> None:
    """Raise unless what is written is neither read nor written by another name."""
    written = {"key_cache": key_cache, "value_cache": value_cache}
    read = {"key": key, "value": value}
    if query_out is query:
        written["query"] = query
    else:
        read["query"] = query
    for what, x in written.items():
        check_overwritten(what, x)
    names = list(written)
    pairs = [(a, b) for at, a in enumerate(names) for b in (*names[at + 1 :], *read)]
    for a, b in pairs:
        if may_share(written[a], (written | read)[b]):
            raise ArgumentError(
                f"{a} and {b} share memory, so {a} cannot be written; pass {b}.clone()"
            )


def _check_slots(slots: Tensor, capacity: int) -> None:
    if slots.device.type != "cpu":
        return  # looking would wait for the device; kernels skip what the cache does not have
    if not slots.numel():
        return
    slots = slots.long()
    least, most = slots.aminmax()
    if least < -1 or most >= capacity:
        outside = slots[(slots < -1) | (slots >= capacity)]
        raise PositionRangeError(
            f"the cache has slots 0 to {capacity - 1}, and -1 for nowhere, but slots contains "
            f"{int(outside[0])}; make the cache longer or give the token another slot"
        )


def _functional(query: Tensor, *rest: Any) -> Tensor:
    query_out = torch.empty_like(query)
    _write(query, query_out, *rest)
    _changed(*rest[4:6])
    return query_out


def _in_place(query: Tensor, *rest: Any) -> None:
    _write(query, query, *rest)
    _changed(query, *rest[4:6])


def _functional_shapes(query: Tensor, *rest: Any) -> Tensor:
    _in_place_shapes(query, *rest)
    return torch.empty_like(query)


def _in_place_shapes(query: Tensor, *rest: Any) -> None:
    (
        key, value, query_weight, key_weight, key_cache, value_cache, slots, positions, frequencies,
        block_size, _, _, _, start, *_,
    ) = rest  # fmt: skip
    _check(
        query, key, value, query_weight, key_weight, key_cache, value_cache, slots, positions,
        frequencies, block_size, start,
    )  # fmt: skip


def _changed(*tensors: Tensor) -> None:
    """Tell autograd, which cannot see a kernel write, so that it refuses values saved before."""
    torch.autograd.graph.increment_version([x for x in tensors if not x.is_inference()])


_LIBRARY.impl("rotate_into_cache", _functional, "CompositeExplicitAutograd")
_LIBRARY.impl("rotate_into_cache_", _in_place, "CompositeExplicitAutograd")
torch.library.register_fake("phasor::rotate_into_cache", _functional_shapes, lib=_LIBRARY)
torch.library.register_fake("phasor::rotate_into_cache_", _in_place_shapes, lib=_LIBRARY)

"""The rotation into a cache as operators whose mutations are declared."""

from typing import Any

import torch
from torch import Tensor

from phasor.kernels.cache_reference import write_rows_reference
from phasor.kernels.norm_reference import cos_sin_by, norm_rotate_reference
from phasor.kernels.reference import apply_rotation
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
    if triton:
        from phasor.kernels.triton.cache import launch

        launch(
            query, key, value, query_weight, key_weight, query_out, key_cache, value_cache, slots,
            positions, frequencies, block_size=block_size, eps=eps, unit_offset=unit_offset,
            interleaved=interleaved, start=start, gain=gain,
        )  # fmt: skip
        return
    cos, sin = cos_sin_by(positions, frequencies, gain=gain, dtype=table_dtype(query.dtype))

    def turned(x: Tensor, weight: Tensor | None) -> Tensor:
        layout = "interleaved" if interleaved else "half"
        if weight is None:
            return apply_rotation(x, cos, sin, layout=layout, start=start)
        return norm_rotate_reference(
            x, weight, cos, sin, eps=eps, unit_offset=unit_offset, layout=layout,
            start=start,
        )[0]  # fmt: skip

    write_rows_reference(turned(key, key_weight), key_cache, slots, block_size=block_size)
    write_rows_reference(value, value_cache, slots, block_size=block_size)
    query_out.copy_(turned(query, query_weight))


def _functional(query: Tensor, *rest: Any) -> Tensor:
    query_out = torch.empty_like(query)
    _write(query, query_out, *rest)
    _changed(*rest[4:6])
    return query_out


def _in_place(query: Tensor, *rest: Any) -> None:
    _write(query, query, *rest)
    _changed(query, *rest[4:6])


def _changed(*tensors: Tensor) -> None:
    """Tell autograd, which cannot see a kernel write, so that it refuses values saved before."""
    torch.autograd.graph.increment_version([x for x in tensors if not x.is_inference()])


_LIBRARY.impl("rotate_into_cache", _functional, "CompositeExplicitAutograd")
_LIBRARY.impl("rotate_into_cache_", _in_place, "CompositeExplicitAutograd")
torch.library.register_fake(
    "phasor::rotate_into_cache", lambda query, *_: torch.empty_like(query), lib=_LIBRARY
)
torch.library.register_fake("phasor::rotate_into_cache_", lambda *_: None, lib=_LIBRARY)

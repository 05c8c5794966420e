"""The rotation as PyTorch operators: kernels by device, shapes for tracing, gradients.

`phasor::rotate` returns new tensors, `phasor::rotate_` overwrites its arguments and says so. Both
take activations `[batch, heads, seq, head_dim]`, positions `[batch or 1, seq, axes]` and
frequencies `[axes, pairs]` whose dtype says how angles are formed (see `angles_of`).

Low-level registrations, since the decorators of `torch.library` cost ten microseconds more a call.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.library import Library

from phasor.errors import ArgumentError
from phasor.kernels import cpu
from phasor.kernels.batching import rotate_batched
from phasor.kernels.checks import check_writable
from phasor.kernels.cpu.launch import supports
from phasor.kernels.gradient import Rotation
from phasor.kernels.operands import check_memory, check_turn
from phasor.kernels.reference import rotation
from phasor.kernels.triton import launch_of

_LIBRARY = Library("phasor", "DEF")
_HOW = "Tensor positions, Tensor frequencies, bool interleaved, int start, int sign, float gain"
_LIBRARY.define(f"rotate(Tensor query, Tensor key, {_HOW}) -> (Tensor, Tensor)")
_LIBRARY.define(f"rotate_(Tensor(a!) query, Tensor(b!)? key, {_HOW}) -> ()")


class Launch(Protocol):
    """What a kernel looks like: writes into `query_out` and `key_out`, which may be its input."""

    def __call__(
        self,
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
    ) -> None: ...


def launcher(x: Tensor) -> Launch | None:
    """The kernel for the device and dtype of `x`, or `None` where there is only the reference."""
    if not supports(x.dtype):
        return None
    if x.is_cpu:
        return None if cpu.why_missing() else cpu.launch
    if x.is_cuda:
        return launch_of("rotation")
    return None


def write(
    query: Tensor,
    key: Tensor | None,
    query_out: Tensor,
    key_out: Tensor | None,
    positions: Tensor,
    frequencies: Tensor,
    interleaved: bool,
    start: int,
    sign: int,
    gain: float,
) -> None:
    """Write the rotation of query and key into other tensors, or into themselves."""
    check_memory(query=query, key=key, positions=positions, frequencies=frequencies)
    launch = launcher(query)
    how: dict[str, Any] = {
        "interleaved": interleaved, "start": start, "sign": sign, "gain": gain
    }  # fmt: skip
    if launch is None:
        query_out.copy_(rotation(query, positions, frequencies, **how))
        if key is not None and key_out is not None:
            key_out.copy_(rotation(key, positions, frequencies, **how))
        return
    positions, frequencies = aligned(positions), aligned(frequencies.contiguous())
    # Kernels walk along channels: others are turned in a copy.
    q, q_out = walkable(query, query_out)
    k, k_out = (None, None) if key is None or key_out is None else walkable(key, key_out)
    launch(q, k, q_out, k_out, positions, frequencies, **how)
    if q_out is not query_out:
        query_out.copy_(q_out)
    if key_out is not None and k_out is not None and k_out is not key_out:
        key_out.copy_(k_out)


def walkable(x: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """Where a kernel reads and writes instead: there themselves, or a copy to be copied back."""
    if x.stride(-1) == 1 and out.stride(-1) == 1 and aligned(x) is x:
        return x, out
    x = x.clone(memory_format=torch.contiguous_format)
    return x, x


def aligned(x: Tensor) -> Tensor:
    """`x`, or a copy where its numbers lie across their places in memory, as in a file's bytes."""
    return x if x.data_ptr() % x.itemsize == 0 else x.clone()


def _rotate(
    query: Tensor, key: Tensor, positions: Tensor, frequencies: Tensor, *how: Any
) -> tuple[Tensor, Tensor]:
    check_turn(query, key, positions, frequencies, how[1], owner="phasor::rotate")
    outs = torch.empty_like(query), torch.empty_like(key)
    write(query, key, *outs, positions, frequencies, *how)
    return outs


def _rotate_in_place(
    query: Tensor, key: Tensor | None, positions: Tensor, frequencies: Tensor, *how: Any
) -> None:
    check_turn(query, key, positions, frequencies, how[1], owner="phasor::rotate_")
    check_writable(query, key, positions, frequencies)
    write(query, key, query, key, positions, frequencies, *how)
    changed(query, key)


def _rotate_negated_in_place(
    query: Tensor, key: Tensor | None, positions: Tensor, frequencies: Tensor, *how: Any
) -> None:
    """Where PyTorch has put off a minus sign (`z.conj().imag`): `copy_` knows how to write it."""
    some_key = query[:, :0] if key is None else key
    turned = torch.ops.phasor.rotate.default(query, some_key, positions, frequencies, *how)
    query.copy_(turned[0])
    if key is not None:
        key.copy_(turned[1])


def changed(query: Tensor, key: Tensor | None) -> None:
    """Tell autograd, which cannot see a kernel write, so that it refuses values saved before."""
    written = [x for x in (query, key) if x is not None and not x.is_inference()]
    torch.autograd.graph.increment_version(written)


def _rotate_shapes(
    query: Tensor, key: Tensor, positions: Tensor, frequencies: Tensor, *how: Any
) -> tuple[Tensor, Tensor]:
    check_turn(query, key, positions, frequencies, how[1], owner="phasor::rotate")
    return torch.empty_like(query), torch.empty_like(key)


def _rotate_in_place_shapes(
    query: Tensor, key: Tensor | None, positions: Tensor, frequencies: Tensor, *how: Any
) -> None:
    check_turn(query, key, positions, frequencies, how[1], owner="phasor::rotate_")


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether autograd, backward or forward, has to hear of an operation on these."""
    if forward_ad._current_level >= 0:
        return True
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)


def _rotate_differentiably(
    query: Tensor, key: Tensor, positions: Tensor, frequencies: Tensor, *how: Any
) -> tuple[Tensor, Tensor]:
    if needs_gradient(query, key, positions, frequencies):
        return Rotation.apply(query, key, positions, frequencies, *how)
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.phasor.rotate.default(query, key, positions, frequencies, *how)


def _refuse_to_differentiate(
    query: Tensor, key: Tensor | None, positions: Tensor, frequencies: Tensor, *how: Any
) -> None:
    if needs_gradient(query, key, positions, frequencies):
        raise ArgumentError(
            "phasor::rotate_ has no gradient, got a tensor that requires one; call phasor.rotate("
            "..., inplace=True), which is differentiable, or use torch.no_grad()"
        )
    with torch._C._AutoDispatchBelowAutograd():
        torch.ops.phasor.rotate_.default(query, key, positions, frequencies, *how)


def _rotate_batched(info: Any, in_dims: Any, *arguments: Any) -> Any:
    rotate = torch.ops.phasor.rotate.default
    return rotate_batched(rotate, info.batch_size, in_dims, *arguments)


def _rotate_in_place_batched(info: Any, in_dims: Any, *arguments: Any) -> None:
    raise NotImplementedError(
        "phasor::rotate_ cannot be mapped by vmap; rotate with inplace=False inside of it"
    )


_LIBRARY.impl("rotate", _rotate, "CompositeExplicitAutograd")
_LIBRARY.impl("rotate_", _rotate_in_place, "CompositeExplicitAutograd")
_LIBRARY.impl("rotate_", _rotate_negated_in_place, "Negative")
_LIBRARY.impl("rotate", _rotate_differentiably, "Autograd")
_LIBRARY.impl("rotate_", _refuse_to_differentiate, "Autograd")
torch.library.register_fake("phasor::rotate", _rotate_shapes, lib=_LIBRARY)
torch.library.register_fake("phasor::rotate_", _rotate_in_place_shapes, lib=_LIBRARY)
torch.library.register_vmap("phasor::rotate", _rotate_batched, lib=_LIBRARY)
torch.library.register_vmap("phasor::rotate_", _rotate_in_place_batched, lib=_LIBRARY)

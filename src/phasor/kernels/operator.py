"""The rotation as PyTorch operators: kernels by device, and shapes for tracing.

`phasor::rotate` returns new tensors, `phasor::rotate_` overwrites its arguments and says so. Both
take activations `[batch, heads, seq, head_dim]`, positions `[batch or 1, seq, axes]` and
frequencies `[axes, pairs]` whose dtype says how angles are formed (see `angles_of`).

Low-level registrations, since the decorators of `torch.library` cost ten microseconds more a call.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.library import Library

from phasor.kernels import cpu
from phasor.kernels._turn import Turn
from phasor.kernels.checks import check_writable
from phasor.kernels.cpu.launch import supports
from phasor.kernels.operands import check_memory, check_turn
from phasor.kernels.reference import rotation
from phasor.kernels.triton import launch_of

LIBRARY = Library("phasor", "DEF")
_HOW = "Tensor positions, Tensor frequencies, bool interleaved, int start, int sign, float gain"
LIBRARY.define(f"rotate(Tensor query, Tensor key, {_HOW}) -> (Tensor, Tensor)")
LIBRARY.define(f"rotate_(Tensor(a!) query, Tensor(b!)? key, {_HOW}) -> ()")


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
        turn: Turn,
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
    turn: Turn,
) -> None:
    """Write the rotation of query and key into other tensors, or into themselves."""
    check_memory(query=query, key=key, positions=positions, frequencies=frequencies)
    launch = launcher(query)
    if launch is None:
        query_out.copy_(rotation(query, positions, frequencies, turn))
        if key is not None and key_out is not None:
            key_out.copy_(rotation(key, positions, frequencies, turn))
        return
    positions, frequencies = aligned(positions), aligned(frequencies.contiguous())
    # Kernels walk along channels: others are turned in a copy.
    q, q_out = walkable(query, query_out)
    k, k_out = (None, None) if key is None or key_out is None else walkable(key, key_out)
    launch(q, k, q_out, k_out, positions, frequencies, turn)
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
    write(query, key, *outs, positions, frequencies, Turn(*how))
    return outs


def _rotate_in_place(
    query: Tensor, key: Tensor | None, positions: Tensor, frequencies: Tensor, *how: Any
) -> None:
    check_turn(query, key, positions, frequencies, how[1], owner="phasor::rotate_")
    check_writable(query, key, positions, frequencies)
    write(query, key, query, key, positions, frequencies, Turn(*how))
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


LIBRARY.impl("rotate", _rotate, "CompositeExplicitAutograd")
LIBRARY.impl("rotate_", _rotate_in_place, "CompositeExplicitAutograd")
LIBRARY.impl("rotate_", _rotate_negated_in_place, "Negative")
torch.library.register_fake("phasor::rotate", _rotate_shapes, lib=LIBRARY)
torch.library.register_fake("phasor::rotate_", _rotate_in_place_shapes, lib=LIBRARY)

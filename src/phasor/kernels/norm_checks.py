"""What the fused operations ask of their arguments, and who computes them."""

import os
from importlib.util import find_spec
from typing import Literal

from torch import Tensor

from phasor.errors import ArgumentError
from phasor.kernels._turn import Turn
from phasor.kernels.checks import check_activations, check_devices
from phasor.positions import check_positions
from phasor.positions.checks import check_dense
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.layout import Layout, RotarySlice, check_layout, check_slice
from phasor.rotary.phase import Precision, check_precision

FusedImpl = Literal["auto", "reference", "triton"]


def check_heads(
    query: Tensor,
    key: Tensor | None,
    positions: Tensor,
    frequencies: Frequencies,
    *,
    layout: Layout,
    rotary_slice: RotarySlice,
    precision: Precision,
    owner: str,
) -> None:
    """Raise unless query and key are heads that positions, frequencies and options fit."""
    check_layout(layout)
    check_slice(rotary_slice)
    check_precision(precision)
    check_positions(positions, axes=frequencies.axes, owner=owner)
    check_dense(query=query, key=key, positions=positions)
    for what, x in (("query", query), ("key", key)):
        if x is not None:
            check_activations(
                x, positions, rotary_dim=frequencies.rotary_dim, axes=frequencies.axes,
                owner=owner, what=what,
            )  # fmt: skip
    check_devices(query, key=key, positions=positions)
    if key is not None and (key.shape[0], key.shape[3]) != (query.shape[0], query.shape[3]):
        raise ArgumentError(
            f"query and key must agree in batch and head_dim, got shapes {list(query.shape)} and "
            f"{list(key.shape)}"
        )


def check_weight(weight: Tensor, x: Tensor, what: str) -> None:
    """Raise unless `weight` is one number per channel of a head."""
    check_dense(**{f"{what}_weight": weight})
    if weight.shape != x.shape[-1:]:
        raise ArgumentError(
            f"{what}_weight must be [{x.shape[-1]}], one number per channel of a head, got shape "
            f"{list(weight.shape)}; a norm over all heads together (OLMo 2) is not this one"
        )
    check_devices(x, **{f"{what}_weight": weight})


def turn_of(
    query: Tensor, frequencies: Frequencies, layout: Layout, rotary_slice: RotarySlice
) -> Turn:
    """The rotation that these ask for."""
    start = query.shape[-1] - frequencies.rotary_dim if rotary_slice == "trailing" else 0
    return Turn(layout == "interleaved", start, gain=frequencies.attention_scale)


def dense_rows(x: Tensor) -> Tensor:
    """`x` itself if the channels of a head lie side by side, else a copy in which they do."""
    return x if x.stride(-1) == 1 else x.contiguous()


def use_triton(impl: FusedImpl, x: Tensor) -> bool:
    """Whether Triton does it; raises if it was asked for and cannot."""
    if impl not in ("auto", "reference", "triton"):
        raise ArgumentError(f"impl must be 'auto', 'reference' or 'triton', got {impl!r}")
    if impl == "auto":
        return x.is_cuda and _triton_is_installed()
    if impl == "triton":
        if not _triton_is_installed():
            raise NotImplementedError("impl='triton' needs Triton; pip install triton")
        if not x.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
            raise NotImplementedError(
                f"impl='triton' needs tensors on a CUDA device, got {x.device}; on a CPU it runs "
                "under Triton's interpreter alone (TRITON_INTERPRET=1 before Python starts)"
            )
    return impl == "triton"


def _triton_is_installed() -> bool:
    return find_spec("triton") is not None

"""The contenders of this library."""

from functools import partial

import torch

from phasor._bench.contender import Contender, Rotation
from phasor._bench.workload import BASE, Workload
from phasor.kernels import cpu, rotate
from phasor.kernels.operator import launcher
from phasor.rotary import geometric

IN_PLACE, NEW = "phasor in place", "phasor"


def _prepare(workload: Workload, *, inplace: bool) -> Rotation:
    frequencies = geometric(workload.shape.head_dim, BASE)
    positions = workload.positions
    layout = workload.layout

    def rotation(query: torch.Tensor, key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        query, turned = rotate(query, key, positions, frequencies, layout=layout, inplace=inplace)
        assert turned is not None
        return query, turned

    return rotation


_CALL = "phasor.rotate(query, key, positions, frequencies)"
_CALL_IN_PLACE = "phasor.rotate(query, key, positions, frequencies, inplace=True)"

OURS = (
    Contender(
        name=IN_PLACE,
        call=_CALL_IN_PLACE,
        prepare=partial(_prepare, inplace=True),
        mutates=True,
        directions=("forward",),
    ),
    Contender(
        name="phasor in place, BHSD",
        call=_CALL_IN_PLACE,
        prepare=partial(_prepare, inplace=True),
        storages=("heads first",),
        mutates=True,
        directions=("forward",),
    ),
    Contender(name=NEW, call=_CALL, prepare=partial(_prepare, inplace=False)),
    Contender(
        name="phasor, BHSD",
        call=_CALL,
        prepare=partial(_prepare, inplace=False),
        storages=("heads first",),
    ),
)


def why_no_kernel(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why phasor computes by its reference, and what to do; `None` where it has a kernel."""
    if launcher(torch.empty(0, device=device, dtype=dtype)) is not None:
        return None
    if device.type == "cpu":
        return cpu.why_missing() or f"the native rotation does not know {dtype}"
    return "there is no Triton kernel for this device; pip install triton"

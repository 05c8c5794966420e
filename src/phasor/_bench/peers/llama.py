"""The rotation of Meta's Llama models: complex multiplication in float32, in plain PyTorch."""

import torch
from torch import Tensor

from phasor._bench.contender import Contender, Rotation
from phasor._bench.peers.tables import angles
from phasor._bench.workload import Pair, Workload


def _prepare(workload: Workload) -> Rotation:
    angle = angles(workload)
    turns = torch.polar(torch.ones_like(angle), angle)
    turns = turns if workload.decodes else turns[None]
    turns = turns[:, :, None]

    def turned(x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * turns).flatten(-2).type_as(x)

    def rotation(query: Tensor, key: Tensor) -> Pair:
        return turned(query), turned(key)

    return rotation


PEER = Contender(
    name="llama",
    call="view_as_real(view_as_complex(x.float()) * freqs_cis).type_as(x), of q and of k",
    excluded="freqs_cis, once for all layers",
    prepare=_prepare,
    seq_first=True,
    layouts=("interleaved",),
)

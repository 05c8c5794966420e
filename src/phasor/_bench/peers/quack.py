"""QuACK's rotary in CuTe, out of place, once for the query and once for the key."""

from importlib import import_module

import torch

from phasor._bench.contender import UP_TO_FLOAT32, Contender, Rotation
from phasor._bench.peers.flash_attn import rotation_by_tables
from phasor._bench.workload import Workload


def _prepare(workload: Workload) -> Rotation:
    apply = import_module("quack.rotary").apply_rotary_emb
    return rotation_by_tables(workload, apply, torch.float32)


def _limit(workload: Workload) -> str | None:
    head_dim = workload.shape.head_dim
    if head_dim % 8 or head_dim > 512:
        return "takes head_dim up to 512, a multiple of 8"
    return None


PEER = Contender(
    name="quack",
    call="quack.rotary.apply_rotary_emb(x, cos, sin), of q and of k",
    excluded="tables of cos and sin",
    prepare=_prepare,
    seq_first=True,
    devices=("cuda",),
    dtypes=UP_TO_FLOAT32,
    limit=_limit,
    module="quack",
    package="quack-kernels",
    install="pip install quack-kernels",
)

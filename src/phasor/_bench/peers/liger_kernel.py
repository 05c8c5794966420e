"""Liger's Triton kernel, a replacement of transformers' function that works in place."""

from importlib import import_module

from phasor._bench.contender import UP_TO_FLOAT32, Contender, Rotation
from phasor._bench.peers.transformers import cos_sin
from phasor._bench.workload import Workload


def _prepare(workload: Workload) -> Rotation:
    apply = import_module("liger_kernel.transformers.rope").liger_rotary_pos_emb
    cos, sin = cos_sin(workload)
    return lambda query, key: apply(query, key, cos, sin)


PEER = Contender(
    name="liger-kernel",
    call="liger_kernel.transformers.rope.liger_rotary_pos_emb(q, k, cos, sin)",
    excluded="cos and sin, once for all layers",
    prepare=_prepare,
    mutates=True,
    layouts=("half",),
    devices=("cuda",),
    dtypes=UP_TO_FLOAT32,
    module="liger_kernel",
    package="liger-kernel",
    install="pip install liger-kernel transformers",
)

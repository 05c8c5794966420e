"""TransformerEngine's fused rotation, once for the query and once for the key."""

from importlib import import_module

import torch
from torch import Tensor

from phasor._bench.contender import UP_TO_FLOAT32, Contender, Rotation
from phasor._bench.peers.tables import angle_table
from phasor._bench.workload import Pair, Workload


def _prepare(workload: Workload) -> Rotation:
    apply = import_module("transformer_engine.pytorch.attention.rope").apply_rotary_pos_emb
    table = angle_table(workload)
    interleaved = workload.layout == "interleaved"
    table = table.repeat_interleave(2, -1) if interleaved else torch.cat((table, table), -1)
    table = table[:, None, None]
    offsets = {"start_positions": workload.positions[:, 0].int()} if workload.decodes else {}
    how = {"tensor_format": "bshd", "interleaved": interleaved, "fused": True, **offsets}

    def rotation(query: Tensor, key: Tensor) -> Pair:
        return apply(query, table, **how), apply(key, table, **how)

    return rotation


PEER = Contender(
    name="transformer-engine",
    call="transformer_engine.pytorch.attention.rope.apply_rotary_pos_emb(x, angles, fused=True), "
    "of q and of k",
    excluded="the table of angles; their cos and sin are in each call",
    prepare=_prepare,
    seq_first=True,
    devices=("cuda",),
    dtypes=UP_TO_FLOAT32,
    module="transformer_engine",
    package="transformer-engine",
    install="pip install --no-build-isolation 'transformer-engine[pytorch]'",
)

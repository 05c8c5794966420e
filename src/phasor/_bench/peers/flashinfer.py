"""FlashInfer's kernel over a table, in place."""

from importlib import import_module

import torch

from phasor._bench.contender import HALVES, Contender, Rotation
from phasor._bench.peers.token_rows import rotation_of_rows, unknown_head_dim
from phasor._bench.workload import Workload


def _prepare(workload: Workload) -> Rotation:
    apply = import_module("flashinfer").apply_rope_with_cos_sin_cache_inplace
    return rotation_of_rows(workload, apply, torch.float32)


PEER = Contender(
    name="flashinfer",
    call="flashinfer.apply_rope_with_cos_sin_cache_inplace(positions, q, k, ...)",
    excluded="its table of cos and sin",
    prepare=_prepare,
    seq_first=True,
    storages=("tokens first",),
    mutates=True,
    devices=("cuda",),
    dtypes=HALVES,
    directions=("forward",),
    limit=unknown_head_dim,
    module="flashinfer",
    package="flashinfer-python",
    install="pip install flashinfer-python",
)

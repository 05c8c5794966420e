"""FlashInfer's kernel over a table, in place: what vLLM and SGLang call in inference."""

from importlib import import_module

import torch
from torch import Tensor

from phasor._bench.contender import HALVES, Contender, Rotation
from phasor._bench.peers.tables import angle_table
from phasor._bench.workload import Pair, Workload

_HEAD_DIMS = (64, 128, 256, 512)


def _prepare(workload: Workload) -> Rotation:
    apply = import_module("flashinfer").apply_rope_with_cos_sin_cache_inplace
    table = angle_table(workload)
    cache = torch.cat((table.cos(), table.sin()), dim=-1)
    shape = workload.shape
    positions = workload.positions
    if not workload.decodes:
        positions = positions.repeat(shape.batch)
    positions = positions.flatten()
    neox = workload.layout == "half"

    def rotation(query: Tensor, key: Tensor) -> Pair:
        # One row for each token: views of the same memory.
        apply(positions, query.view(len(positions), -1), key.view(len(positions), -1),
              shape.head_dim, cache, neox)  # fmt: skip
        return query, key

    return rotation


def _limit(workload: Workload) -> str | None:
    if workload.shape.head_dim not in _HEAD_DIMS:
        return f"takes head_dim {', '.join(map(str, _HEAD_DIMS))}"
    return None


PEER = Contender(
    name="flashinfer",
    call="flashinfer.apply_rope_with_cos_sin_cache_inplace(positions, q, k, ...)",
    excluded="its table of cos and sin",
    prepare=_prepare,
    seq_first=True,
    mutates=True,
    devices=("cuda",),
    dtypes=HALVES,
    directions=("forward",),
    limit=_limit,
    module="flashinfer",
    package="flashinfer-python",
    install="pip install flashinfer-python",
)

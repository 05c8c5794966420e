"""vLLM's kernel over a table in the dtype of the activations, in place."""

from importlib import import_module

from phasor._bench.contender import UP_TO_FLOAT32, Contender, Rotation
from phasor._bench.peers.token_rows import rotation_of_rows
from phasor._bench.workload import Workload


def _prepare(workload: Workload) -> Rotation:
    apply = import_module("vllm._custom_ops").rotary_embedding
    return rotation_of_rows(workload, apply, workload.dtype)


PEER = Contender(
    name="vllm",
    call="vllm._custom_ops.rotary_embedding(positions, q, k, ...)",
    excluded="its table of cos and sin",
    prepare=_prepare,
    seq_first=True,
    storages=("tokens first",),
    mutates=True,
    devices=("cuda",),
    dtypes=UP_TO_FLOAT32,
    directions=("forward",),
    module="vllm",
    package="vllm",
    install="pip install vllm",
)

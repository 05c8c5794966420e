"""torchtune's `RotaryPositionalEmbeddings`."""

from importlib import import_module

from phasor._bench.contender import Contender, Rotation
from phasor._bench.workload import BASE, Workload


def _prepare(workload: Workload) -> Rotation:
    embeddings = import_module("torchtune.modules.position_embeddings")
    rotary = embeddings.RotaryPositionalEmbeddings(
        dim=workload.shape.head_dim, max_seq_len=workload.num_positions, base=int(BASE)
    ).to(workload.device)
    positions = workload.positions if workload.decodes else None
    return lambda query, key: (
        rotary(query, input_pos=positions),
        rotary(key, input_pos=positions),
    )


PEER = Contender(
    name="torchtune",
    call="RotaryPositionalEmbeddings(...)(x, input_pos=...), of q and of k",
    excluded="its cache of cos and sin",
    prepare=_prepare,
    seq_first=True,
    layouts=("interleaved",),
    module="torchtune",
    package="torchtune",
    install="pip install torchtune torchao",
)

"""x-transformers' `apply_rotary_pos_emb`."""

from importlib import import_module

from phasor._bench.contender import Contender, Rotation
from phasor._bench.workload import Workload


def _prepare(workload: Workload) -> Rotation:
    library = import_module("x_transformers.x_transformers")
    rotary = library.RotaryEmbedding(workload.shape.head_dim).to(workload.device)
    freqs, scale = rotary(workload.positions)
    apply = library.apply_rotary_pos_emb
    return lambda query, key: (apply(query, freqs, scale), apply(key, freqs, scale))


PEER = Contender(
    name="x-transformers",
    call="x_transformers.x_transformers.apply_rotary_pos_emb(x, freqs, scale), of q and of k",
    excluded="angles, once for all layers; their cos and sin are in each call",
    prepare=_prepare,
    layouts=("interleaved",),
    module="x_transformers",
    package="x-transformers",
    install="pip install x-transformers",
)

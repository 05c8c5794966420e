"""rotary-embedding-torch's `RotaryEmbedding`."""

from importlib import import_module

from phasor._bench.contender import Contender, Rotation
from phasor._bench.workload import Workload

# The rows of the cache that it allocates by default; past them it forms angles in each call.
_CACHED_POSITIONS = 8192


def _prepare(workload: Workload) -> Rotation:
    library = import_module("rotary_embedding_torch")
    rotary = library.RotaryEmbedding(dim=workload.shape.head_dim).to(workload.device)
    rotate = rotary.rotate_queries_or_keys
    return lambda query, key: (rotate(query), rotate(key))


def _limit(workload: Workload) -> str | None:
    if workload.decodes and workload.shape.batch > 1:
        return "has one offset for all sequences"
    return None


PEER = Contender(
    name="rotary-embedding-torch",
    call="RotaryEmbedding(dim).rotate_queries_or_keys(x), of q and of k",
    excluded=f"angles of the first {_CACHED_POSITIONS} positions; their cos and sin are in "
    "each call",
    prepare=_prepare,
    layouts=("interleaved",),
    limit=_limit,
    module="rotary_embedding_torch",
    package="rotary-embedding-torch",
    install="pip install rotary-embedding-torch",
)

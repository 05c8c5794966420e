"""FlashAttention's Triton rotary, out of place, once for the query and once for the key."""

from importlib import import_module

from torch import Tensor

from phasor._bench.contender import UP_TO_FLOAT32, Contender, Rotation
from phasor._bench.peers.tables import angle_table
from phasor._bench.workload import Pair, Workload


def _prepare(workload: Workload) -> Rotation:
    apply = import_module("flash_attn.layers.rotary").apply_rotary_emb
    table = angle_table(workload)
    cos, sin = table.cos().to(workload.dtype), table.sin().to(workload.dtype)
    interleaved = workload.layout == "interleaved"
    offsets = workload.positions[:, 0].int() if workload.decodes else 0

    def rotation(query: Tensor, key: Tensor) -> Pair:
        how = {"interleaved": interleaved, "seqlen_offsets": offsets}
        return apply(query, cos, sin, **how), apply(key, cos, sin, **how)

    return rotation


PEER = Contender(
    name="flash-attn",
    call="flash_attn.layers.rotary.apply_rotary_emb(x, cos, sin), of q and of k",
    excluded="tables of cos and sin",
    prepare=_prepare,
    seq_first=True,
    devices=("cuda",),
    dtypes=UP_TO_FLOAT32,
    module="flash_attn",
    package="flash-attn",
    install="pip install flash-attn --no-build-isolation",
)

"""Hugging Face transformers under `torch.compile`."""

import torch

from phasor._bench.contender import Contender, Rotation
from phasor._bench.peers.transformers import cos_sin
from phasor._bench.workload import Workload


def _prepare(workload: Workload) -> Rotation:
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    # A function is recompiled a few times only, and run eagerly afterwards.
    torch.compiler.reset()
    compiled = torch.compile(apply_rotary_pos_emb, fullgraph=True, dynamic=False)
    cos, sin = cos_sin(workload)
    return lambda query, key: compiled(query, key, cos, sin)


PEER = Contender(
    name="transformers-compiled",
    call="torch.compile(transformers.models.llama.modeling_llama.apply_rotary_pos_emb)",
    excluded="cos and sin, once for all layers; compiling",
    prepare=_prepare,
    layouts=("half",),
    module="transformers",
    package="transformers",
    install="pip install transformers",
)

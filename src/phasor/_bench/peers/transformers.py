"""Hugging Face transformers, eager: `apply_rotary_pos_emb` of Llama."""

from torch import nn

from phasor._bench.contender import Contender, Rotation
from phasor._bench.workload import BASE, Pair, Workload


def rotary_embedding(workload: Workload) -> nn.Module:
    """The `LlamaRotaryEmbedding` of this workload: cos and sin, by activations and positions."""
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    shape = workload.shape
    config = LlamaConfig(
        hidden_size=shape.query_heads * shape.head_dim,
        num_attention_heads=shape.query_heads,
        head_dim=shape.head_dim,
        rope_parameters={"rope_type": "default", "rope_theta": BASE},
    )
    return LlamaRotaryEmbedding(config).to(workload.device)


def cos_sin(workload: Workload) -> Pair:
    """What `LlamaRotaryEmbedding` returns: cos and sin in the dtype of the activations."""
    positions = workload.positions
    like = positions.new_empty(0, dtype=workload.dtype)
    return rotary_embedding(workload)(like, positions if workload.decodes else positions[None])


def _prepare(workload: Workload) -> Rotation:
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    cos, sin = cos_sin(workload)
    return lambda query, key: apply_rotary_pos_emb(query, key, cos, sin)


PEER = Contender(
    name="transformers",
    call="transformers.models.llama.modeling_llama.apply_rotary_pos_emb(q, k, cos, sin)",
    excluded="cos and sin, once for all layers",
    prepare=_prepare,
    layouts=("half",),
    module="transformers",
    package="transformers",
    install="pip install transformers",
)

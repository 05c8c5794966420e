r"""LLaMA as Meta defines it, in plain PyTorch: what a checkpoint in that format must compute.

Pairs of neighbouring channels are complex numbers, multiplied by $e^{i m\theta}$; nothing here is
shared with the conversion or with the rotations of phasor.

Source:
    Touvron et al. 2023, arXiv:2302.13971, section 2.2; the scaling of rope from Llama 3.1,
    arXiv:2407.21783, as Meta's code has it.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import linear, silu


def meta_logits(params: dict[str, Any], tensor: Callable[[str], Tensor], tokens: Tensor) -> Tensor:
    """The logits of one sequence.

    Args:
        params: What `params.json` says.
        tensor: Gives the float32 tensor of a name.
        tokens: `[seq]`.

    Returns:
        `[seq, vocab_size]`.
    """
    dim, num_heads = params["dim"], params["n_heads"]
    num_kv_heads = params.get("n_kv_heads") or num_heads
    head_dim = params.get("head_dim") or dim // num_heads
    eps = params.get("norm_eps", 1e-5)
    angle = torch.outer(torch.arange(len(tokens)).double(), _frequencies(params, head_dim))
    turn = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)[:, None]

    def heads(x: Tensor, number: int) -> Tensor:
        return x.view(len(tokens), number, head_dim)

    def rotated(x: Tensor) -> Tensor:
        numbers = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
        return torch.view_as_real(numbers * turn).flatten(-2)

    def norm(x: Tensor, name: str) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * tensor(name)

    x = tensor("tok_embeddings.weight")[tokens]
    for number in range(params["n_layers"]):
        layer = f"layers.{number}"
        normed = norm(x, f"{layer}.attention_norm.weight")
        query, key, value = (
            heads(linear(normed, tensor(f"{layer}.attention.{name}.weight")), count)
            for name, count in (("wq", num_heads), ("wk", num_kv_heads), ("wv", num_kv_heads))
        )
        query, key, value = (x.transpose(0, 1)[None] for x in (rotated(query), rotated(key), value))
        # Looked up now, as in `attention/fused.py`.
        attended = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=True
        )
        attended = attended[0].transpose(0, 1).flatten(1)
        x = x + linear(attended, tensor(f"{layer}.attention.wo.weight"))
        normed = norm(x, f"{layer}.ffn_norm.weight")
        gate, up = (
            linear(normed, tensor(f"{layer}.feed_forward.{name}.weight")) for name in ("w1", "w3")
        )
        x = x + linear(silu(gate) * up, tensor(f"{layer}.feed_forward.w2.weight"))
    return linear(norm(x, "norm.weight"), tensor("output.weight"))


def _frequencies(params: dict[str, Any], head_dim: int) -> Tensor:
    """Radians per token, `[head_dim / 2]`."""
    exponent = torch.arange(0, head_dim, 2).double() / head_dim
    frequencies = params.get("rope_theta", 10_000.0) ** -exponent
    if not params.get("use_scaled_rope"):
        return frequencies
    factor, low, high = params["rope_scaling_factor"], 1, params.get("rope_high_freq_factor", 4)
    turns = 8192 * frequencies / (2 * math.pi)
    share = ((turns - low) / (high - low)).clamp(0, 1)
    return frequencies * (share + (1 - share) / factor)

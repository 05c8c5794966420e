"""A tiny LLaMA as a GGUF file, with the names and the order of rows that llama.cpp uses."""

from pathlib import Path

import numpy as np
from extension.tiny_model import byte_tokenizer
from gguf import GGUFWriter
from transformers import LlamaForCausalLM

_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def write_gguf(
    model: LlamaForCausalLM,
    file: Path,
    *,
    factor: float | None = None,
    rope_freqs: np.ndarray | None = None,
) -> Path:
    """`model` in float32, with the tokenizer of bytes.

    Args:
        model: A LLaMA.
        file: To write.
        factor: Of a linear scaling that the file states.
        rope_freqs: Factors on its frequencies, as converters write Llama 3.1's scaling.
    """
    config, weights = model.config, model.state_dict()
    writer = GGUFWriter(file, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    if factor is not None:
        writer.add_rope_scaling_factor(factor)
    writer.add_vocab_size(config.vocab_size)
    tokens = byte_tokenizer().get_vocab()
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(tokens, key=lambda token: tokens[token]))
    writer.add_token_types([1] * len(tokens))
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"].numpy())
    if rope_freqs is not None:
        writer.add_tensor("rope_freqs.weight", rope_freqs)
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"].numpy())
    for layer in range(config.num_hidden_layers):
        for name, short in _NAMES.items():
            weight = weights[f"model.layers.{layer}.{name}.weight"].numpy()
            if short in ("attn_q", "attn_k"):
                weight = _interleaved(weight, config.num_attention_heads)
            writer.add_tensor(f"blk.{layer}.{short}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from halves to neighbours: llama.cpp turns those as pairs."""
    halves = weight.reshape(heads, 2, -1, weight.shape[-1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))

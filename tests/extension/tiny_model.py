"""A rotary LLaMA of transformers that reads bytes, and what it takes to train one in seconds."""

import math
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from phasor._kit.text import Windows, load_text

TRAINED_LENGTH = 64


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def tiny_config(**changes: Any) -> LlamaConfig:
    """Two layers of four heads with eight pairs each."""
    return LlamaConfig(
        **{
            "vocab_size": 256, "hidden_size": 64, "intermediate_size": 256,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
            "max_position_embeddings": TRAINED_LENGTH, "tie_word_embeddings": True,
            "bos_token_id": None, "eos_token_id": None,
        }
        | changes
    )  # fmt: skip


def trained(steps: int) -> LlamaForCausalLM:
    """A model that has read `16 * steps` windows of the standard library."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(tiny_config())
    windows, generator = Windows(load_text().train, TRAINED_LENGTH + 1), torch.Generator()
    generator.manual_seed(0)
    order = _tokens_of_bytes()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95))
    for step in range(steps):
        rate = min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = 4e-3 * rate
        batch = order[windows.draw(16, generator)]
        logits = model(input_ids=batch[:, :-1]).logits
        loss = cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def save(model: LlamaForCausalLM, folder: Path) -> Path:
    """The model and its tokenizer in `folder`."""
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def _tokens_of_bytes() -> Tensor:
    """The token of each byte, from what the tokenizer makes of Latin-1 in UTF-8."""
    tokenizer = byte_tokenizer()
    found = torch.zeros(256, dtype=torch.long)
    for value in range(128):
        found[value] = tokenizer.encode(chr(value))[0]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    used = set(found[:128].tolist())
    found[128:] = torch.tensor([at for at in range(len(letters)) if at not in used])
    return found

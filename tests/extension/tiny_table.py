"""Models with a learned table: a GPT-2 that is trained in seconds, and others drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from extension.tiny_model import TRAINED_LENGTH, byte_tokenizer
from torch.nn.functional import cross_entropy
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    RobertaConfig,
    RobertaModel,
)

_ENDS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None}


LETTERS = "abcdefgh"
PERIOD = 4 * len(LETTERS)


def clock(length: int, chance: torch.Generator) -> str:
    """Each letter four times, in turn, and a tenth of all at random: place alone says which."""
    noise = torch.rand(length, generator=chance) < 0.1
    drawn = torch.randint(len(LETTERS), (length,), generator=chance)
    return "".join(LETTERS[drawn[at] if noise[at] else at % PERIOD // 4] for at in range(length))


def chain(length: int, chance: torch.Generator) -> str:
    """Each letter after the one before it, but for a tenth: place says nothing."""
    noise = torch.rand(length, generator=chance) < 0.1
    drawn = torch.randint(len(LETTERS), (length,), generator=chance)
    at, text = int(drawn[0]), []
    for step in range(length):
        at = int(drawn[step]) if noise[step] else (at + 1) % len(LETTERS)
        text.append(LETTERS[at])
    return "".join(text)


def trained_gpt2(source: Callable[[int, torch.Generator], str], steps: int) -> GPT2LMHeadModel:
    """A table of 64 positions, trained on what `source` gives from its start."""
    torch.manual_seed(0)
    model: Any = GPT2LMHeadModel(gpt2_config())
    tokenizer, chance = byte_tokenizer(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(steps):
        texts = [source(TRAINED_LENGTH + 1, chance) for _ in range(8)]
        batch = torch.tensor([tokenizer.encode(text) for text in texts])
        logits = model(input_ids=batch[:, :-1]).logits
        loss = cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def texts(source: Callable[[int, torch.Generator], str], folder: Path, length: int) -> Path:
    """Six documents of what `source` gives, in `folder`."""
    folder.mkdir()
    for number in range(6):
        chance = torch.Generator().manual_seed(100 + number)
        (folder / f"{number}.txt").write_text(source(length, chance))
    return folder


def gpt2_config(**changes: Any) -> GPT2Config:
    return GPT2Config(
        **{
            "vocab_size": 256, "n_positions": TRAINED_LENGTH, "n_embd": 32, "n_layer": 1,
            "n_head": 2, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, **_ENDS,
        }
        | changes
    )  # fmt: skip


def drawn(kind: str) -> Any:
    """A model of random weights, large enough that positions show in what it gives."""
    common: dict[str, Any] = {
        "vocab_size": 256, "hidden_size": 32, "num_attention_heads": 2, "pad_token_id": 1,
        "max_position_embeddings": TRAINED_LENGTH, **_ENDS,
    }  # fmt: skip
    if kind == "gpt2":
        return GPT2LMHeadModel(gpt2_config(initializer_range=0.3))
    if kind == "gpt_neo":
        types: list[Any] = [[["global", "local"], 1]]
        return GPTNeoForCausalLM(GPTNeoConfig(
            **common, num_layers=2, attention_types=types, window_size=16, initializer_range=0.3,
        ))  # fmt: skip
    if kind == "opt":
        return OPTForCausalLM(OPTConfig(
            **common, num_hidden_layers=2, ffn_dim=64, word_embed_proj_dim=32, init_std=0.3,
        ))  # fmt: skip
    encoder = {**common, "num_hidden_layers": 2, "intermediate_size": 64, "initializer_range": 0.3}
    if kind == "bert":
        return BertModel(BertConfig(**encoder))
    assert kind == "roberta"
    # Two of its rows are no positions.
    return RobertaModel(RobertaConfig(**encoder | {"max_position_embeddings": TRAINED_LENGTH + 2}))


def save(model: Any, folder: Path) -> Path:
    """The model and a tokenizer of bytes in `folder`."""
    model.eval().save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder

"""What stretching is worth to a small model: trained on 64 tokens, read at 256, nothing retrained.

python docs/learn/data/make.py stretched
"""

import tempfile
from collections.abc import Sequence
from typing import Any

import torch
import transformers
from picture import picture, series

import phasor
from phasor._kit.text import Windows, load_text
from phasor.measure import cropped_losses, token_losses
from phasor.rotary.scaling import Scaling, rope_parameters

LENGTH, TARGET, BIN = 64, 256, 32
FACTOR = TARGET // LENGTH
STEPS, ROWS, DOCUMENTS, SEEDS = 600, 16, 48, 3
FREQUENCIES = phasor.geometric(32, base=10_000.0)
METHODS: dict[str, Scaling | None] = {
    "none": None,
    "linear": phasor.scaling.linear(factor=FACTOR),
    "ntk": phasor.scaling.ntk(factor=FACTOR),
    "yarn": phasor.scaling.yarn(factor=FACTOR, original_seq_len=LENGTH),
    "llama3": phasor.scaling.llama3(factor=FACTOR, original_seq_len=LENGTH),
}


def config(scaling: Scaling | None) -> transformers.LlamaConfig:
    """Of a model of 0.1 M parameters that reads bytes."""
    return transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=2,
        head_dim=FREQUENCIES.rotary_dim,
        max_position_embeddings=LENGTH,
        rope_parameters=rope_parameters(scaling, FREQUENCIES),
    )


def train(documents: Sequence[bytes], seed: int) -> transformers.LlamaForCausalLM:
    """A model that has read windows of `LENGTH` bytes and none that is longer."""
    torch.manual_seed(seed)
    model = transformers.LlamaForCausalLM(config(None))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=STEPS)
    windows = Windows(documents, LENGTH + 1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        tokens = windows.draw(ROWS, generator)
        loss = model(tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return model.eval()


def by_position(losses: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean loss in each bin of positions, over the documents."""
    return torch.stack(list(losses)).mean(0).unflatten(0, (-1, BIN)).mean(-1)


def make() -> dict[str, Any]:
    """Three models, each by every method on the same held-out bytes."""
    text = load_text(window=TARGET + 1)
    generator = torch.Generator().manual_seed(0)
    held_out = Windows(text.held_out, TARGET + 1).draw(DOCUMENTS, generator)
    found: dict[str, list[torch.Tensor]] = {}
    for seed in range(SEEDS):
        trained = train(text.train, seed)
        cut = [cropped_losses(trained, document, window=LENGTH) for document in held_out]
        found.setdefault("context cut to 64", []).append(by_position(cut))
        with tempfile.TemporaryDirectory() as folder:
            trained.save_pretrained(folder)
            for name, scaling in METHODS.items():
                model = transformers.LlamaForCausalLM.from_pretrained(
                    folder, config=config(scaling)
                ).eval()
                losses = [token_losses(model, document) for document in held_out]
                found.setdefault(name, []).append(by_position(losses))
    curves = []
    for name, seeds in found.items():
        each = torch.stack(seeds)
        low, high = each.amin(0).tolist(), each.amax(0).tolist()
        curves.append(series(name, each.mean(0).tolist(), low, high))
    return picture(
        "Loss by position of small models trained on 64 tokens, stretched four times: mean of "
        "three seeds, and the least and the most of them",
        x=("up to position", list(range(BIN, TARGET + 1, BIN))),
        y="held-out loss (nats per byte)",
        curves=curves,
        command="python docs/learn/data/make.py stretched",
    )

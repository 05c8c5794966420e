"""What is measured on causal models of transformers, against one full forward pass of each."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from extension.tiny_model import byte_tokenizer, tiny_config
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from phasor.errors import ArgumentError
from phasor.measure import (
    Passkey,
    cropped_losses,
    in_bins,
    passkey_found,
    passkey_prompt,
    passkey_room,
    token_losses,
)


def llama() -> Any:
    return LlamaForCausalLM(tiny_config(initializer_range=0.3)).eval()


def gpt2() -> Any:
    config = GPT2Config(
        vocab_size=256, n_positions=128, n_embd=32, n_layer=2, n_head=2, initializer_range=0.3,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


@pytest.fixture(params=[llama, gpt2])
def model(request: pytest.FixtureRequest) -> Any:
    return request.param()


@torch.no_grad()
def full(model: Any, tokens: Tensor) -> Tensor:
    """Loss of each token but the first, from all logits at once, in float64."""
    logits = model(input_ids=tokens[None]).logits[0, :-1].double()
    return -logits.log_softmax(-1)[torch.arange(len(tokens) - 1), tokens[1:]]


@pytest.mark.parametrize(("length", "chunk"), [(100, 7), (100, 99), (100, 512), (2, 1), (3, 2)])
def test_token_losses_are_those_of_one_forward_pass(model: Any, length: int, chunk: int) -> None:
    tokens = torch.randint(256, (length,))
    read: list[int] = []
    losses = token_losses(model, tokens, chunk=chunk, progress=read.append)
    torch.testing.assert_close(losses, full(model, tokens), atol=2e-5, rtol=2e-5)
    assert sum(read) == length - 1
    assert max(read) <= chunk


@pytest.mark.parametrize(("length", "window"), [(60, 16), (61, 16), (33, 32), (20, 32), (57, 5)])
def test_cropped_losses_are_each_token_with_few_before_it(
    model: Any, length: int, window: int
) -> None:
    tokens = torch.randint(256, (length,))
    losses = cropped_losses(model, tokens, window, chunk=11)
    assert len(losses) == length - 1
    for at in range(1, length):
        # Whatever the windows are, one of the contexts that were promised gave this loss.
        least, most = (at, at) if at <= window else (window - window // 2, window)
        contexts = [
            full(model, tokens[at - before : at + 1])[-1].item()
            for before in range(least, most + 1)
        ]
        assert min(abs(losses[at - 1].item() - loss) for loss in contexts) < 1e-4, at


def test_cropped_losses_differ_from_whole_ones() -> None:
    model, tokens = llama(), torch.randint(256, (64,))
    losses, whole = cropped_losses(model, tokens, 16), token_losses(model, tokens)
    torch.testing.assert_close(losses[:16], whole[:16], atol=2e-5, rtol=2e-5)
    assert (losses[16:] - whole[16:]).abs().min() > 0


def test_bins_are_means() -> None:
    losses = torch.arange(10, dtype=torch.float64)
    assert in_bins(losses, [0, 4, 10]).nats == (1.5, 6.5)
    assert in_bins(losses, [2, 3]).nats == (2.0,)
    assert in_bins(losses, range(11)).nats == tuple(range(10))


@pytest.mark.parametrize("edges", [[0], [], [3, 3], [4, 2], [-1, 3], [0, 11]])
def test_bins_outside_the_document_are_refused(edges: list[int]) -> None:
    with pytest.raises(ArgumentError, match=r"^edges must"):
        in_bins(torch.zeros(10), edges)


def test_documents_and_windows_that_are_none_are_refused() -> None:
    model = llama()
    with pytest.raises(ArgumentError, match="at least two tokens"):
        token_losses(model, torch.zeros(1, dtype=torch.long))
    with pytest.raises(ArgumentError, match="at least two tokens"):
        token_losses(model, torch.zeros(2, 5, dtype=torch.long))
    with pytest.raises(ArgumentError, match="window must be at least 4"):
        cropped_losses(model, torch.zeros(9, dtype=torch.long), 3)


class Parrot(nn.Module):
    """Repeats what stood after the last `" is "`, up to a digit that it is told to get wrong."""

    def __init__(self, wrong: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.config = tiny_config()
        self._wrong, self._seen = wrong, torch.zeros(0, dtype=torch.long)

    def forward(self, *, input_ids: Tensor, logits_to_keep: int = 0, **_: Any) -> Any:
        start = len(self._seen)
        self._seen = torch.cat([self._seen, input_ids[0]])
        text = byte_tokenizer().decode(self._seen)
        key = text.split("The pass key is ")[1].split(".")[0] if "key is " in text else ""
        logits = torch.zeros(1, input_ids.shape[1], 256)
        for row in range(input_ids.shape[1]):
            said = text[: start + row + 1].rpartition("The pass key is")[2]
            answer = f" {key}."
            at = len(said)
            token = byte_tokenizer().encode(answer[at] if at < len(answer) else ".")[0]
            logits[0, row, (token + (at == self._wrong)) % 256] = 1
        return SimpleNamespace(logits=logits[:, -logits_to_keep:])


def prompt(length: int = 600, depth: float = 0.5) -> Passkey:
    return passkey_prompt(byte_tokenizer(), length, depth, torch.Generator().manual_seed(4))


@pytest.mark.parametrize("chunk", [64, 10_000])
def test_a_model_that_copies_finds_the_key_and_one_wrong_digit_is_wrong(chunk: int) -> None:
    read: list[int] = []
    asked = prompt()
    assert passkey_found(Parrot(), asked, chunk=chunk, progress=read.append)
    assert sum(read) == asked.length - 1
    for wrong in range(asked.answer):
        assert not passkey_found(Parrot(wrong), asked, chunk=chunk)
    assert not passkey_found(llama(), asked)


@pytest.mark.parametrize("depth", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_prompt_hides_the_key_where_it_says(depth: float) -> None:
    asked = prompt(3000, depth)
    text = byte_tokenizer().decode(asked.tokens)
    key = text.rpartition(" ")[2]
    assert text.endswith(f"What is the pass key? The pass key is {key}")
    assert text.count(f"The pass key is {key}. Remember it. {key} is the pass key.") == 1
    assert 1 <= int(key) <= 50_000
    assert asked.answer == len(key) + 1
    filler = [part.count("There and back again.") for part in text.split("Remember it.")]
    assert filler[0] == round(depth * sum(filler))
    assert 3000 - 90 < len(asked.tokens) == asked.length + asked.answer <= 3000


def test_a_prompt_needs_room() -> None:
    least = passkey_room(byte_tokenizer())
    assert len(prompt(least).tokens) <= least
    with pytest.raises(ArgumentError, match=r"takes at least \d+ tokens"):
        prompt(least - 10)
    with pytest.raises(ArgumentError, match="depth must lie between"):
        prompt(depth=1.5)

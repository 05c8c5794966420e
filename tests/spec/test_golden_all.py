"""What holds for every golden spec."""

import pytest
import torch
from spec.golden import GOLDEN

from phasor.spec import PositionSpec


@pytest.mark.parametrize("name", GOLDEN)
def test_survives_json_and_is_hashable(name: str) -> None:
    spec = GOLDEN[name]()
    read = PositionSpec.from_json(spec.to_json())
    assert read == spec
    assert hash(read) == hash(GOLDEN[name]())
    assert spec.diff(read) == []


@pytest.mark.parametrize("name", GOLDEN)
def test_builds_without_memory(name: str) -> None:
    """On the meta device, so that GPT-3's table of 100 MB is no trouble."""
    spec = GOLDEN[name]()
    with torch.device("meta"):
        built = [each.encodings() for each in (spec, *spec.towers)]
    for encodings, stack in zip(built, (spec, *spec.towers), strict=True):
        assert len(encodings) == len(stack.layers)
        assert (encodings.embedding is None) == (stack.embedding is None)


def test_bidirectional_stacks_and_those_with_windows() -> None:
    """Told apart by name; how wide a window is and in which layers, the other tests say."""
    bidirectional, windowed = set(), set()
    for name, function in GOLDEN.items():
        spec = function()
        for label, stack in ((name, spec), *((f"{name} {t.model}", t) for t in spec.towers)):
            if not stack.causal:
                bidirectional.add(label)
            if any(layer.window is not None for layer in stack.layers):
                windowed.add(label)
    assert bidirectional == {
        "attention-is-all-you-need encoder",
        "bert-base",
        "deberta-v3-base",
        "modernbert-base",
        "qwen2-vl-7b vision",
        "t5-base encoder",
        "vjepa2-vit-l",
        "vjepa2-vit-l predictor",
        "w2v-bert-2.0",
        "xlnet-large",
    }
    assert windowed == {
        "gemma-2-9b",
        "gemma-3-4b",
        "gemma-4-31b",
        "gpt-oss-20b",
        "mistral-7b-v0.1",
        "modernbert-base",
        "phi-3-mini-128k",
        "phi-3-mini-4k",
    }


def test_each_says_where_its_numbers_are_from() -> None:
    for name, function in GOLDEN.items():
        assert "\n    Source:\n" in (function.__doc__ or ""), name


def test_names_differ() -> None:
    names = [function().model for function in GOLDEN.values()]
    assert len(set(names)) == len(names)


def test_llama_2_and_llama_3_1_in_words() -> None:
    assert GOLDEN["llama-2-7b"]().diff(GOLDEN["llama-3.1-8b"]()) == [
        "max_seq_len is 4096 in LLaMA 2 7B, 131072 in LLaMA 3.1 8B",
        "every layer: rotary.frequencies.base is 10000.0 in LLaMA 2 7B, 500000.0 in LLaMA 3.1 8B",
        "every layer: rotary.scaling is none in LLaMA 2 7B, llama3(factor=8.0) in LLaMA 3.1 8B",
    ]


def test_every_nope_layer_is_found_in_words() -> None:
    words = GOLDEN["smollm3-3b"]().diff(GOLDEN["qwen3-8b"]())
    assert "every 4th layer from 3 on: no encoding in SmolLM3 3B, rotary in Qwen3 8B" in words

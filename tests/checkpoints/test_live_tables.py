"""A live model whose rotary tables are not those of its config."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from checkpoints.tiny import subjects
from torch import nn
from transformers import Gemma3TextConfig, Gemma3TextModel, LlamaConfig, LlamaModel

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import ExplicitSpec, GeometricSpec, PositionSpec, RotarySpec

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
    "vocab_size": 50,
    "max_position_embeddings": 512,
}
YARN = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0}
YARN["original_max_position_embeddings"] = 512


def llama(**keywords: Any) -> Any:
    return LlamaModel(LlamaConfig(**SIZES, **keywords)).eval()


def rotary_of(spec: PositionSpec) -> RotarySpec:
    (found,) = {each for layer in spec.layers for each in layer.encodings}
    assert isinstance(found, RotarySpec)
    return found


def turns_by(model: Any, position: int = 300) -> torch.Tensor:
    """Cosines and sines that the model itself makes."""
    with torch.no_grad():
        found = model.rotary_emb(torch.zeros(1, 1, 1), torch.tensor([[position]]))
    return torch.stack([part[0, 0, :8] for part in found]).double()


def scaling_set_later(model: Any) -> None:
    model.config.rope_parameters = dict(YARN)


def config_put_in_its_place(model: Any) -> None:
    model.config = LlamaConfig(**SIZES, rope_parameters=dict(YARN))


def other_base_set_later(model: Any) -> None:
    model.config.rope_parameters["rope_theta"] = 500_000.0


def zeroed(model: Any) -> None:
    model.rotary_emb.inv_freq.zero_()


def length_set_later(model: Any) -> None:
    model.config.rope_parameters = {**YARN, "rope_type": "dynamic"}


CHANGES = [scaling_set_later, config_put_in_its_place, other_base_set_later, zeroed]


@pytest.mark.parametrize("change", [*CHANGES, length_set_later])
def test_the_spec_has_what_the_model_turns_by(change: Callable[[Any], None]) -> None:
    model = llama()
    change(model)
    with pytest.warns(UserWarning, match=r"rotary_emb.*; the spec has what the model holds"):
        spec = phasor.read(model)
    frequencies = rotary_of(spec).build().frequencies
    assert isinstance(rotary_of(spec).frequencies, ExplicitSpec)
    angle = 300 * frequencies.inv_freq[0]
    ours = torch.stack([angle.cos(), angle.sin()]) * frequencies.attention_scale
    torch.testing.assert_close(ours, turns_by(model), rtol=0, atol=1e-4)


def test_a_gain_that_is_not_that_of_the_config() -> None:
    model = llama(rope_parameters=dict(YARN))
    model.rotary_emb.attention_scaling = 1.0
    with pytest.warns(UserWarning, match=r"attention_scaling is 1\.0, and the config says 1\.13"):
        spec = phasor.read(model)
    assert rotary_of(spec).build().frequencies.attention_scale == 1.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_cast_is_said_and_the_spec_keeps_the_config(dtype: torch.dtype) -> None:
    model = llama()
    expected = phasor.read(model)
    name = str(dtype).removeprefix("torch.")
    with pytest.warns(UserWarning, match=rf"rotary_emb\.inv_freq is rounded to {name}, up to 0\."):
        assert phasor.read(model.to(dtype)) == expected
    rounded = model.rotary_emb.inv_freq.double()
    worst = (rounded / phasor.geometric(16).inv_freq[0] - 1).abs().max().item()
    (sentence,) = examine(model).notes
    assert f"up to {100 * worst:.2g} %" in sentence


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    model = llama()
    model.rotary_emb.inv_freq[3] = value
    with pytest.raises(ArgumentError, match=r"inv_freq of the model holds numbers that are not"):
        phasor.read(model)


def test_memory_as_it_was_found_is_seen() -> None:
    """What `to_empty` leaves is whatever was there; a constant stands for it."""
    with torch.device("meta"):
        model = llama()
    assert phasor.read(model) == phasor.read(model.config)  # nothing to compare yet
    model.to_empty(device="cpu")
    for buffer in model.rotary_emb.buffers():
        buffer.fill_(7.0)
    with pytest.warns(UserWarning, match="is not what its config says"):
        assert rotary_of(phasor.read(model)).build().frequencies.inv_freq.eq(7).all()


def gemma() -> Any:
    config = Gemma3TextConfig(
        **SIZES, head_dim=16, layer_types=["sliding_attention", "full_attention"]
    )
    return Gemma3TextModel(config).eval()


@pytest.mark.parametrize("kind", ["sliding_attention", "full_attention"])
def test_one_kind_of_layers_of_several(kind: str) -> None:
    model = gemma()
    assert phasor.read(model) == phasor.read(model.config)
    getattr(model.rotary_emb, f"{kind}_inv_freq").zero_()
    with pytest.raises(ArgumentError, match=f"{kind}_inv_freq of the model is not what its config"):
        phasor.read(model)
    notes = examine(model, strict=False).notes
    assert any("which layers turn by it is not known" in sentence for sentence in notes)


def test_tables_of_two_kinds_of_layers_that_were_exchanged() -> None:
    model = gemma()
    rotary = model.rotary_emb
    near, far = rotary.sliding_attention_inv_freq, rotary.full_attention_inv_freq
    kept = near.clone()
    near.copy_(far)
    far.copy_(kept)
    with pytest.raises(ArgumentError, match="is not what its config says"):
        phasor.read(model)


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_frequencies_that_follow_the_length_may_have_moved(kind: str) -> None:
    rope: dict[str, Any] = {"rope_type": kind, "rope_theta": 10_000.0, "factor": 4.0}
    if kind == "longrope":
        rope |= {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
        rope["original_max_position_embeddings"] = 32
    model = llama(rope_parameters=rope)
    before = model.rotary_emb.inv_freq.clone()
    with torch.no_grad():
        model(torch.ones(1, 600, dtype=torch.long))
    assert not torch.equal(model.rotary_emb.inv_freq, before)
    assert phasor.read(model) == phasor.read(model.config)
    model.rotary_emb.original_inv_freq.mul_(2)
    with pytest.raises(ArgumentError, match="original_inv_freq of the model is not what its"):
        phasor.read(model)


def test_the_indexer_turns_by_the_same() -> None:
    _, model = subjects()["DeepseekV32Config"].build()
    expected = phasor.read(model)
    rotary = next(each for each in model.modules() if type(each).__name__.endswith("Embedding")
                  and hasattr(each, "inv_freq"))  # fmt: skip
    rotary.inv_freq.mul_(0.5)
    with pytest.warns(UserWarning, match="the spec has what the model holds"):
        spec = phasor.read(model)
    for layer, old in zip(spec.layers, expected.layers, strict=True):
        main = layer.encodings[0]
        assert isinstance(main, RotarySpec)
        assert layer.indexer is not None
        assert old.indexer is not None
        for each in (main, layer.indexer):
            torch.testing.assert_close(
                each.build().frequencies.inv_freq[0], rotary.inv_freq.double(), rtol=0, atol=0
            )
        assert layer.indexer.layout == old.indexer.layout == "half"


NAMES = ["LlamaConfig", "NanoChatConfig", "Gemma3TextConfig", "GraniteSWAConfig", "Phi3Config",
         "DeepseekV4Config", "Ernie4_5_VLMoeTextConfig", "HunYuanVLTextConfig", "EsmConfig",
         "Qwen3VLTextConfig", "ModernBertConfig", "Llama4TextConfig"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_models_as_they_are_made_say_nothing(name: str) -> None:
    config, model = subjects()[name].build()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert examine(model) == examine(config)


def test_a_patched_model_is_read_like_any_other() -> None:
    model = llama()
    expected = phasor.read(model)
    with phasor.patch(model, parity="rounded"):
        assert phasor.read(model) == expected


def test_a_module_that_its_config_does_not_make_is_named() -> None:
    class Own(nn.Module):
        def __init__(self, config: Any, extra: int) -> None:
            super().__init__()
            self.config = config
            self.register_buffer("inv_freq", torch.ones(8))

    model = llama()
    model.rotary_emb = Own(model.config, 1)
    with pytest.warns(UserWarning, match="rotary_emb was not compared with the config"):
        assert rotary_of(phasor.read(model)).frequencies == GeometricSpec(rotary_dim=16)

"""Tiny random models of transformers, sound and broken on purpose: what `check` makes of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from spec.golden.layer import rotary_layer
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    BloomConfig,
    BloomForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)
from transformers.models.llama import modeling_llama
from typer.testing import CliRunner

from phasor._check import Result, check_model
from phasor._check.result import Checked
from phasor._read import read
from phasor.cli import app
from phasor.errors import ArgumentError
from phasor.spec import ALiBiSpec, LayerSpec, LearnedSpec, PositionSpec

SHAPE: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
LLAMA3 = {
    "rope_theta": 500_000.0,
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 512,
}
DYNAMIC = {"rope_theta": 10_000.0, "rope_type": "dynamic", "factor": 2.0}
LONGROPE = {
    "rope_theta": 10_000.0,
    "rope_type": "longrope",
    "short_factor": [1.0] * 8,
    "long_factor": [4.0] * 8,
    "original_max_position_embeddings": 512,
}


def llama(rope: dict[str, Any] = LLAMA3, *, longest: int = 4096) -> LlamaForCausalLM:
    config = LlamaConfig(
        **SHAPE, num_key_value_heads=2, max_position_embeddings=longest, rope_parameters=rope
    )
    return LlamaForCausalLM(config)


def gpt_2() -> tuple[nn.Module, PositionSpec]:
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=97, n_embd=64, n_layer=2, n_head=4, n_positions=128)
    )
    embedding = LearnedSpec(num_positions=128, dim=64)
    return model, PositionSpec(model="gpt2", layers=(LayerSpec(),) * 2, embedding=embedding)


def by_name(results: list[Result]) -> dict[str, Result]:
    return {result.name: result for result in results}


def statuses(model: nn.Module, spec: PositionSpec | None = None) -> dict[str, str]:
    found = check_model(model, read(model) if spec is None else spec)
    return {result.name: result.status for result in found}


EQUALITIES = ("decode = prefill", "left-padded = unpadded", "packed = unpacked")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(llama, id="llama3"),
        pytest.param(
            lambda: Gemma3ForCausalLM(
                Gemma3TextConfig(
                    **{**SHAPE, "num_hidden_layers": 6},
                    num_key_value_heads=2,
                    head_dim=16,
                    sliding_window=8,
                )
            ),
            id="a table for each type of layer",
        ),
        pytest.param(
            lambda: Phi3ForCausalLM(
                Phi3Config(
                    **SHAPE,
                    pad_token_id=0,
                    max_position_embeddings=4096,
                    original_max_position_embeddings=512,
                    rope_parameters=LONGROPE,
                )
            ),
            id="longrope",
        ),
        pytest.param(
            lambda: DeepseekV3ForCausalLM(
                DeepseekV3Config(
                    **SHAPE,
                    num_key_value_heads=4,
                    first_k_dense_replace=2,
                    kv_lora_rank=16,
                    q_lora_rank=16,
                    qk_rope_head_dim=8,
                    qk_nope_head_dim=8,
                    v_head_dim=8,
                )
            ),
            id="a part of each head",
        ),
        pytest.param(lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SHAPE)), id="partial"),
    ],
)
def test_a_sound_model_passes(make: Callable[[], Any]) -> None:
    model = make()
    found = by_name(check_model(model, read(model)))
    for name in ("angles", *EQUALITIES, "positions matter"):
        assert found[name].status == "pass", found[name]
    angles = found["angles"]
    assert angles.measured is not None
    assert 0 < angles.measured < 1
    # What is no fault of the model's is said and not held against it.
    assert found[".to(bfloat16)"].status == "note"
    assert "do not survive" in found[".to(bfloat16)"].text
    assert "in no checkpoint" in found["to_empty() from meta"].text


def test_checking_leaves_the_model_as_it_was() -> None:
    model = llama(DYNAMIC, longest=16)
    before = {name: value.clone() for name, value in model.named_buffers()}
    read_before = read(model)
    check_model(model, read_before)
    model(torch.arange(8)[None])  # a short call sets dynamic frequencies back
    for name, value in model.named_buffers():
        assert torch.equal(value, before[name]), name
        assert value.dtype == before[name].dtype
    assert not model.model.rotary_emb._forward_pre_hooks


def test_frequencies_in_bfloat16_fail() -> None:
    model = llama()
    spec = read(model)
    rotary = model.model.rotary_emb
    rotary.inv_freq = rotary.inv_freq.bfloat16()
    found = by_name(check_model(model, spec))
    assert found["angles"].status == "fail"
    measured = found["angles"].measured
    assert measured is not None
    assert measured > 100
    # The equalities cannot see it: that is why angles are looked at.
    assert {found[name].status for name in EQUALITIES} == {"pass"}


def test_another_base_fails() -> None:
    model = llama({**LLAMA3, "rope_theta": 10_000.0})
    assert statuses(model, read(llama()))["angles"] == "fail"


def test_a_gain_left_out_fails() -> None:
    yarn = {
        "rope_theta": 10_000.0, "rope_type": "yarn", "factor": 4.0,
        "original_max_position_embeddings": 1024,
    }  # fmt: skip
    model = llama(yarn)
    assert statuses(model)["angles"] == "pass"
    spec = read(model)
    model.model.rotary_emb.attention_scaling = 1.0
    assert statuses(model, spec)["angles"] == "fail"


def test_no_encoding_by_accident_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        modeling_llama, "apply_rotary_pos_emb", lambda query, key, *rest, **more: (query, key)
    )
    found = statuses(llama())
    assert found["positions matter"] == "fail"
    # Its tables are right; they are just not used.
    assert found["angles"] == "pass"


def test_a_cache_that_counts_from_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    model = llama()
    spec = read(model)
    forward = model.model.rotary_emb.forward

    def late(x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        return forward(x, position_ids + (position_ids.shape[-1] == 1))

    monkeypatch.setattr(model.model.rotary_emb, "forward", late)
    assert statuses(model, spec)["decode = prefill"] == "fail"


def test_dynamic_frequencies_make_decoding_another_function() -> None:
    found = statuses(llama(DYNAMIC, longest=16))
    assert found["angles"] == "pass"
    assert found["decode = prefill"] == "fail"
    assert found["left-padded = unpadded"] == "fail"


def test_gpt_2_without_position_ids_fails_left_padded() -> None:
    model, spec = gpt_2()
    found = by_name(check_model(model, spec))
    result = found["left-padded = unpadded"]
    assert result.status == "fail"
    assert "With position_ids counted from the first real token they agree" in result.text
    assert found["angles"].status == "skip"
    assert found["decode = prefill"].status == "pass"
    assert found["positions matter"].status == "pass"


def test_what_does_not_apply_is_skipped_and_not_passed() -> None:
    bloom = BloomForCausalLM(BloomConfig(vocab_size=97, hidden_size=64, n_layer=2, n_head=4))
    layer = LayerSpec(encodings=(ALiBiSpec(num_heads=4),))
    found = statuses(bloom, PositionSpec(model="bloom", layers=(layer,) * 2))
    assert found["packed = unpacked"] == found["positions matter"] == "skip"
    assert found["decode = prefill"] == found["left-padded = unpadded"] == "pass"
    bert = BertModel(BertConfig(**SHAPE))
    embedding = LearnedSpec(num_positions=512, dim=64)
    spec = PositionSpec(model="bert", layers=(LayerSpec(),) * 2, embedding=embedding, causal=False)
    assert statuses(bert, spec)["decode = prefill"] == "skip"
    assert not Checked("bare", (Result("angles", "skip", "nothing"),))


def test_a_spec_of_another_width_is_said_to_be_unreadable() -> None:
    found = check_model(llama(), PositionSpec(model="wide", layers=(rotary_layer(48),) * 2))
    assert found[0].status == "fail"
    assert "cosines for 24 pairs" in found[0].text


def test_a_model_that_needs_more_than_tokens_is_refused() -> None:
    class Picky(nn.Module):
        config = LlamaConfig(**SHAPE)

        def forward(self, input_ids: Tensor, pixel_values: Tensor) -> None:
            raise NotImplementedError

    with pytest.raises(ArgumentError, match="Picky does not run on tokens alone: TypeError"):
        check_model(Picky(), PositionSpec(model="picky", layers=(LayerSpec(),)))


def test_the_command_passes_and_fails(tmp_path: Path) -> None:
    for rope, longest, status in ((LLAMA3, 4096, 0), (DYNAMIC, 16, 1)):
        folder = tmp_path / str(status)
        llama(rope, longest=longest).save_pretrained(folder)
        done = CliRunner().invoke(app, ["check", str(folder)])
        assert done.exit_code == status, done.output
        assert ("Passed." in done.stdout) == (status == 0)
        done = CliRunner().invoke(app, ["check", str(folder), "--json"])
        assert done.exit_code == status
        found = json.loads(done.stdout)
        assert found["passed"] == (status == 0)
        loaded = {check["name"]: check for check in found["checks"]}["angles, loaded in bfloat16"]
        assert loaded["status"] == "pass"


def test_folders_that_cannot_be_checked_are_said_in_a_sentence(tmp_path: Path) -> None:
    config = tmp_path / "config only"
    llama().config.save_pretrained(config)
    (tmp_path / "pickle").mkdir()
    pickle = tmp_path / "pickle"
    llama().config.save_pretrained(pickle)
    (pickle / "pytorch_model.bin").write_bytes(b"not looked at")
    torn = tmp_path / "torn"
    llama().save_pretrained(torn)
    (torn / "model.safetensors").write_bytes(b"\xff" * 64)
    for source, part in (
        (tmp_path / "none", "does not exist"),
        (config, "cannot be loaded"),
        (config / "config.json", "is a file"),
        (pickle, "cannot be loaded"),
        (torn, "is no complete safetensors file"),
    ):
        done = CliRunner().invoke(app, ["check", str(source)])
        assert done.exit_code == 2, done.output
        assert part in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr

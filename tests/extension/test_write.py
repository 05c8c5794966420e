"""What is written, where no training is needed to see it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from extension.tiny_model import save, tiny_config
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

import phasor
from phasor._extend.methods import METHODS, candidates
from phasor._extend.source import Subject, load
from phasor._extend.write import appearing, write_checkpoint
from phasor.errors import ArgumentError


def subject(folder: Path, dtype: torch.dtype = torch.float32) -> Subject:
    model = LlamaForCausalLM(tiny_config(initializer_range=0.3)).to(dtype)  # type: ignore[arg-type]
    return load(save(model, folder), target_length=256)


@pytest.mark.parametrize("name", METHODS)
def test_phasor_reads_back_what_was_written(tmp_path: Path, name: str) -> None:
    given = subject(tmp_path / "model")
    *_, candidate = candidates([name], given.situation)
    with appearing(tmp_path / "out") as draft:
        write_checkpoint(given, candidate, draft)
    again = load(tmp_path / "out", target_length=300).situation
    for length in (64, 256):
        written = replace(candidate, scaling=again.scaling).frequencies(again.frequencies, length)
        wanted = candidate.frequencies(given.situation.frequencies, length)
        torch.testing.assert_close(written.inv_freq, wanted.inv_freq, rtol=1e-12, atol=0.0)
        assert written.attention_scale == wanted.attention_scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_keep_their_type_and_their_values(tmp_path: Path, dtype: torch.dtype) -> None:
    given = subject(tmp_path / "model", dtype)
    *_, candidate = candidates(["yarn"], given.situation)
    with appearing(tmp_path / "out") as draft:
        write_checkpoint(given, candidate, draft)
    before = load_file(tmp_path / "model" / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    config, weights = (tmp_path / "out" / name for name in ("config.json", "model.safetensors"))
    assert weights.stat().st_mode == config.stat().st_mode  # whoever may read one, may the other
    assert set(after) == set(before)
    for name, weight in before.items():
        assert after[name].dtype == dtype
        assert torch.equal(after[name], weight)
    config = LlamaForCausalLM.from_pretrained(tmp_path / "out").config
    assert config.dtype == dtype


def test_weights_that_were_trained_since_are_not_rounded(tmp_path: Path) -> None:
    given = subject(tmp_path / "model", torch.bfloat16)
    with torch.no_grad():
        given.model.model.norm.weight.add_(1e-4)
    given = replace(given, on_disk=False)
    *_, candidate = candidates(["yarn"], given.situation)
    with appearing(tmp_path / "out") as draft:
        write_checkpoint(given, candidate, draft)
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(after["model.norm.weight"], given.model.model.norm.weight)


def test_a_config_that_says_something_else_is_found_out(tmp_path: Path) -> None:
    given = subject(tmp_path / "model")
    _, linear, yarn = candidates(["linear", "yarn"], given.situation)
    lie = replace(yarn, rope_parameters=linear.rope_parameters)

    def write() -> None:
        with appearing(tmp_path / "out") as draft:
            write_checkpoint(given, lie, draft)

    with pytest.raises(ArgumentError, match="gives other logits than were measured"):
        write()
    assert not (tmp_path / "out").exists()


def test_a_scaling_that_the_model_had_does_not_outlive_a_new_base(tmp_path: Path) -> None:
    model = LlamaForCausalLM(
        tiny_config(
            rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0},
            max_position_embeddings=64,
        )
    )
    given = load(save(model, tmp_path / "model"), target_length=256)
    *_, ntk = candidates(["ntk"], given.situation)
    with appearing(tmp_path / "out") as draft:
        write_checkpoint(given, ntk, draft)
    # 64 tokens by a factor of 2 are 32 that its angles were learned in.
    assert given.situation.trained_length == 32
    found = load(tmp_path / "out", target_length=300).situation
    assert found.scaling is None
    assert found.frequencies.base == pytest.approx(
        phasor.scaling.ntk(factor=8.0)(phasor.geometric(16)).base
    )

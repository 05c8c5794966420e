"""A GGUF file is extended like the folder that it was made from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from extension.gguf_file import write_gguf
from extension.tiny_model import save, tiny_config
from transformers import AutoModelForCausalLM, LlamaForCausalLM

import phasor
from phasor._extend.methods import candidates
from phasor._extend.source import load
from phasor._extend.write import appearing, write_checkpoint
from phasor.errors import ArgumentError


@pytest.fixture
def model() -> LlamaForCausalLM:
    return LlamaForCausalLM(tiny_config(initializer_range=0.3)).eval()


@pytest.mark.usefixtures("untrained")
def test_a_gguf_file_measures_like_its_folder(model: LlamaForCausalLM, tmp_path: Path) -> None:
    file = write_gguf(model, tmp_path / "model.gguf")
    folder = save(model, tmp_path / "folder")
    options: Any = {"to": 128, "methods": ["yarn"], "documents": 1, "passkeys": 0}
    for a, b in zip(
        phasor.extend(file, **options).verdict.findings,
        phasor.extend(folder, **options).verdict.findings,
        strict=True,
    ):
        assert a.loss == pytest.approx(b.loss, abs=1e-3)
        assert a.name == b.name


def test_it_becomes_a_folder_of_transformers(model: LlamaForCausalLM, tmp_path: Path) -> None:
    given = load(write_gguf(model, tmp_path / "model.gguf"), target_length=128)
    assert given.situation.trained_length == 64
    none, yarn = candidates(["yarn"], given.situation)
    tokens = torch.randint(256, (1, 100))
    for candidate in (none, yarn):
        with appearing(tmp_path / candidate.name) as draft:
            write_checkpoint(given, candidate, draft)
        config = tiny_config(rope_parameters=dict(candidate.rope_parameters))
        wanted: Any = LlamaForCausalLM(config).eval()
        wanted.load_state_dict(model.state_dict())
        found: Any = AutoModelForCausalLM.from_pretrained(tmp_path / candidate.name)
        with torch.no_grad():
            torch.testing.assert_close(
                found(tokens).logits, wanted(tokens).logits, atol=1e-4, rtol=1e-4
            )


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"factor": 4.0}, "scaling is linear"),
        ({"rope_freqs": np.linspace(1, 8, 8, dtype=np.float32)}, "scaling is stretch"),
    ],
)
def test_a_scaling_that_transformers_leaves_out_is_not_extended(
    model: LlamaForCausalLM, tmp_path: Path, stated: dict[str, Any], said: str
) -> None:
    file = write_gguf(model, tmp_path / "model.gguf", **stated)
    with pytest.raises(ArgumentError, match=f"which is not what it says: .*{said}"):
        load(file, target_length=128)

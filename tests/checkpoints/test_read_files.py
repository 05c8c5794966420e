"""GGUF, Meta's params.json and stored frequencies."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import ExplicitSpec, RotarySpec

ESM = {
    "model_type": "esm",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "position_embedding_type": "rotary",
    "vocab_size": 33,
    "pad_token_id": 1,
    "mask_token_id": 32,
}


def rotary_of(spec: phasor.PositionSpec) -> RotarySpec:
    found = spec.layers[0].encodings[0]
    assert isinstance(found, RotarySpec)
    return found


def write_gguf(path: Path, architecture: str = "llama", **numbers: float | int | str) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(3)
    writer.add_context_length(4096)
    writer.add_embedding_length(256)
    writer.add_head_count(4)
    for name, value in numbers.items():
        key = f"{architecture}.{name.replace('__', '.')}"
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_float32(key, value)
    if architecture == "llama":
        writer.add_tensor("rope_freqs.weight", np.linspace(1, 8, 32, dtype=np.float32))
    else:
        writer.add_tensor("token_embd.weight", np.zeros((1, 1), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_gguf(tmp_path: Path) -> None:
    spec = phasor.read(write_gguf(tmp_path / "a.gguf", rope__freq_base=500_000.0))
    rotary = rotary_of(spec)
    assert (rotary.layout, rotary.head_dim, len(spec.layers)) == ("interleaved", 64, 3)
    assert spec.max_seq_len == 4096
    slower = 500_000.0 ** (-torch.arange(0, 64, 2).double() / 64) / torch.linspace(1, 8, 32)
    torch.testing.assert_close(rotary.build().frequencies.inv_freq[0], slower, rtol=1e-6, atol=0)


def test_gguf_pairs_halves_for_qwen(tmp_path: Path) -> None:
    spec = phasor.read(write_gguf(tmp_path / "a.gguf", "qwen2", rope__freq_base=1e6))
    assert rotary_of(spec).layout == "half"


def test_gguf_says_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"general\.architecture 'wave' is not known"):
        phasor.read(write_gguf(tmp_path / "a.gguf", "wave"))
    file = write_gguf(tmp_path / "b.gguf", rope__freq_base=1e4, attention__sliding_window=7)
    with pytest.raises(ArgumentError, match=r"attention\.sliding_window 7"):
        phasor.read(file)
    assert "not read by llama.cpp" in examine(file, strict=False).notes[0]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9])
def test_a_cut_gguf(tmp_path: Path, share: float) -> None:
    whole = write_gguf(tmp_path / "a.gguf", rope__freq_base=1e4).read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ArgumentError, match="is no complete GGUF file"):
        phasor.read(cut)


def test_params_json(tmp_path: Path) -> None:
    params = {"dim": 4096, "n_layers": 32, "n_heads": 32, "rope_theta": 500000.0}
    (tmp_path / "params.json").write_text(json.dumps({**params, "use_scaled_rope": True}))
    with pytest.warns(UserWarning, match=r"taken as Llama 3\.1's"):
        spec = phasor.read(tmp_path)
    rotary = rotary_of(spec)
    assert rotary.layout == "interleaved"
    assert rotary.scaling == phasor.scaling.llama3(factor=8.0)
    with pytest.raises(ArgumentError, match="rope_thta 3 is not known"):
        phasor.read({**params, "rope_thta": 3})


def checkpoint(folder: Path, inv_freq: torch.Tensor) -> Path:
    (folder / "config.json").write_text(json.dumps(ESM))
    names = [f"esm.encoder.layer.{layer}.attention.self.rotary.inv_freq" for layer in (0, 1)]
    save_file({name: inv_freq.clone() for name in names}, folder / "model.safetensors")
    return folder


def test_stored_frequencies_that_differ_are_read(tmp_path: Path) -> None:
    stored = torch.linspace(1.0, 0.1, 8)
    with pytest.warns(UserWarning, match="replaces the frequencies of the config"):
        spec = phasor.read(checkpoint(tmp_path, stored))
    frequencies = rotary_of(spec).frequencies
    assert isinstance(frequencies, ExplicitSpec)
    torch.testing.assert_close(torch.tensor(frequencies.inv_freq[0]), stored)


def test_stored_frequencies_that_are_those_of_the_config_change_nothing(tmp_path: Path) -> None:
    plain = phasor.geometric(16).inv_freq[0].to(torch.bfloat16)
    assert phasor.read(checkpoint(tmp_path, plain)) == phasor.read(dict(ESM))


def test_a_cut_safetensors_file(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, torch.ones(8))
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ArgumentError, match="is no complete safetensors file"):
        phasor.read(folder)


def test_an_index_cannot_lead_out(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, torch.ones(8))
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"rotary.inv_freq": "../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ArgumentError, match="outside the folder"):
        phasor.read(folder)

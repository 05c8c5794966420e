"""LLaMA between Meta's format and that of transformers."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.converting.models import save
from checkpoints.converting.test_families import contents
from safetensors.torch import save_file
from torch.nn import functional

import phasor
from phasor._convert.convert import plan, write
from phasor._convert.json_file import read_object, write_object
from phasor._convert.logits import compare_logits
from phasor._convert.meta import feed_forward_size, other_name
from phasor._convert.meta_forward import meta_logits
from phasor._convert.source import read_source
from phasor.errors import ArgumentError

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
PLAIN: dict[str, Any] = {"attention_bias": False}


def there(source: Path, target: Path, to: Any) -> float:
    planned = plan(read_source(source), to=to)
    found = []
    write(planned, target, verify=lambda folder: found.append(compare_logits(planned, folder)))
    return found[0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rope_parameters": LLAMA3, "head_dim": 12},
        {"tie_word_embeddings": True},
        {"num_key_value_heads": 4, "intermediate_size": 77},
    ],
    ids=["grouped", "llama3", "tied", "odd width"],
)
def test_there_and_back(changes: dict[str, Any], tmp_path: Path) -> None:
    """Meta's side is run by a LLaMA of complex numbers, the other by transformers."""
    source = save("llama", tmp_path / "hf", **PLAIN, **changes)
    assert there(source, tmp_path / "meta", "meta") < 2e-5
    assert there(tmp_path / "meta", tmp_path / "back", "hf") < 2e-5
    old, meta, new = (contents(tmp_path / name) for name in ("hf", "meta", "back"))
    tied = {"lm_head.weight": old["model.embed_tokens.weight"]}
    if changes.get("tie_word_embeddings"):
        old |= tied
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old)
    # What everybody's script does, written out: rows (head, half, pair) become (head, pair, half).
    kv = changes.get("num_key_value_heads", 2)
    for name, here, heads in (("wq", "q_proj", 4), ("wk", "k_proj", kv)):
        want = old[f"model.layers.1.self_attn.{here}.weight"].view(heads, 2, 6, 48).transpose(1, 2)
        assert torch.equal(meta[f"layers.1.attention.{name}.weight"], want.reshape(-1, 48))
    config, again = (read_object(tmp_path / name / "config.json") for name in ("hf", "back"))
    for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "vocab_size", "rms_norm_eps", "max_position_embeddings",
                "rope_parameters", "model_type", "architectures"):  # fmt: skip
        assert config[key] == again[key], key
    assert (tmp_path / "meta" / "generation_config.json").exists()


@pytest.mark.parametrize(
    ("width", "multiple_of", "multiplier", "size"),
    [
        (4096, 256, None, 11008),  # LLaMA 7B
        (8192, 4096, 1.3, 28672),  # Llama 2 and 3, 70B
        (4096, 1024, 1.3, 14336),  # Llama 3, 8B
        (2048, 256, 1.5, 8192),  # Llama 3.2, 1B
    ],
)
def test_the_width_of_real_models(
    width: int, multiple_of: int, multiplier: float | None, size: int
) -> None:
    assert feed_forward_size(width, multiple_of, multiplier) == size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rope_parameters": {**LLAMA3, "low_freq_factor": 2.0}},
            "or not at all",
        ),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, "scales"),
        ({"attention_bias": True}, "Meta's LLaMA has no attention_bias True"),
        ({"hidden_act": "gelu"}, "Meta's LLaMA has no hidden_act 'gelu'"),
        ({"head_dim": 24}, "heads of hidden_size / num_attention_heads channels"),
    ],
)
def test_what_meta_does_not_do(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    source = save("llama", tmp_path / "hf", **PLAIN | changes)
    with pytest.raises(ArgumentError, match=re.escape(message)):
        plan(read_source(source), to="meta")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_seq_len": None}, 'add "max_seq_len": 2048 for LLaMA, 4096 for Llama 2'),
        ({"use_scaled_rope": True}, 'add "rope_scaling_factor": 8 for Llama 3.1, 32'),
        ({"moe": {"num_experts": 8}}, "has moe, which LLaMA does not"),
        ({"n_heads": 5}, "dim and n_heads, which divides it"),
        ({"n_heads": "4"}, "n_heads in"),
        ({"head_dim": 13}, "heads of 13 channels, which do not pair"),
        ({"sliding_window": 4096, "hidden_dim": 64}, "has sliding_window, which LLaMA does not"),
        ({"hidden_dim": 65}, "hidden_dim 65, and layers.0.feed_forward.w1.weight has 64 rows"),
        ({"hidden_dim": 64, "rope_theta": None}, "is Mistral's and has no rope_theta; add"),
        ({"n_kv_heads": 3}, "but the configuration says 3 heads of 12 channels"),
    ],
)
def test_what_params_must_say(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    source = save("llama", tmp_path / "hf", **PLAIN)
    there(source, tmp_path / "meta", "meta")
    where = tmp_path / "meta" / "params.json"
    write_object(where, read_object(where) | changes)
    with pytest.raises(ArgumentError, match=re.escape(message)):
        plan(read_source(tmp_path / "meta"), to="hf")


def test_frequencies_are_dropped_and_strangers_refused(tmp_path: Path) -> None:
    folder = tmp_path / "meta"
    there(save("llama", tmp_path / "hf", **PLAIN), folder, "meta")
    tensors = contents(folder)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    save_file({**tensors, "rope.freqs": torch.zeros(6)}, folder / "consolidated.safetensors")
    there(folder, tmp_path / "back", "hf")
    assert contents(tmp_path / "back").keys() == contents(tmp_path / "hf").keys()
    save_file({**tensors, "extra.weight": torch.zeros(6)}, folder / "consolidated.safetensors")
    with pytest.raises(ArgumentError, match=r"extra\.weight has no name in the transf"):
        plan(read_source(folder), to="hf")


def test_heads_of_a_width_that_params_states(tmp_path: Path) -> None:
    """48 / 4 would be 12; Mistral Nemo has 128 where 5120 / 32 is 160.

    Made by the known script: rows (head, half, pair) of transformers' become (head, pair, half).
    The logits of both sides are compared too: Meta's by a LLaMA of complex numbers.
    """
    source = save("llama", tmp_path / "hf", **PLAIN, head_dim=16, num_key_value_heads=4)
    old, config = contents(source), read_object(source / "config.json")
    folder = tmp_path / "meta"
    folder.mkdir()
    tensors = {str(other_name(name, to="meta")): value for name, value in old.items()}
    for name, rows in tensors.items():
        if name.endswith(("wq.weight", "wk.weight")):
            tensors[name] = rows.view(4, 2, 8, 48).transpose(1, 2).reshape(-1, 48)
    save_file(tensors, folder / "consolidated.safetensors")
    params = {
        "dim": 48, "n_layers": 2, "head_dim": 16, "hidden_dim": 64, "n_heads": 4, "n_kv_heads": 4,
        "norm_eps": config["rms_norm_eps"], "vocab_size": 96, "max_position_embeddings": 128,
        "rope_theta": config["rope_parameters"]["rope_theta"], "sliding_window": None,
    }  # fmt: skip
    write_object(folder / "params.json", params)
    assert there(folder, tmp_path / "back", "hf") < 2e-5
    new = contents(tmp_path / "back")
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old)
    assert read_object(tmp_path / "back" / "config.json")["head_dim"] == 16


def test_attention_is_looked_up_when_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Context parallelism of PyTorch replaces it while it is active."""
    folder = tmp_path / "meta"
    there(save("llama", tmp_path / "hf", **PLAIN), folder, "meta")
    usual, calls = functional.scaled_dot_product_attention, []

    def another(*args: Any, **options: Any) -> torch.Tensor:
        calls.append(args)
        return usual(*args, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", another)
    meta_logits(read_object(folder / "params.json"), contents(folder).__getitem__, torch.arange(5))
    assert len(calls) == 2


def test_no_file_binds_fused_attention_when_it_is_imported() -> None:
    files = sorted(Path(phasor.__path__[0]).rglob("*.py"))
    assert len(files) > 200
    bound = [
        file.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        and any(name.name == "scaled_dot_product_attention" for name in node.names)
    ]
    assert bound == []


def test_heads_that_do_not_divide_the_width_are_refused(tmp_path: Path) -> None:
    """`LlamaConfig` refuses them, whatever head_dim is."""
    folder = tmp_path / "meta"
    there(save("llama", tmp_path / "hf", **PLAIN), folder, "meta")
    tensors = contents(folder)
    for name in tensors:
        if name.endswith(("wq.weight", "wk.weight", "wv.weight")):
            tensors[name] = torch.randn(5 * 12, 48)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    save_file(tensors, folder / "consolidated.safetensors")
    params = {"n_heads": 5, "n_kv_heads": 5, "head_dim": 12}
    write_object(folder / "params.json", read_object(folder / "params.json") | params)
    with pytest.raises(ArgumentError, match="dim 48 and 5 heads, which do not divide it"):
        plan(read_source(folder), to="hf")

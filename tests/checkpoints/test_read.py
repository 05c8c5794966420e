"""Sources of every kind, and what is wrong with some."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from spec import test_golden_by_layer_type, test_golden_parts, test_golden_text
from spec.golden_subject import Published

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.spec import ExplicitSpec, GeometricSpec, RotarySpec

LLAMA = {
    "model_type": "llama",
    "hidden_size": 256,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "max_position_embeddings": 512,
    "rope_theta": 500_000.0,
}
PUBLISHED = [
    *test_golden_text.MODELS,
    *test_golden_by_layer_type.MODELS,
    *test_golden_parts.MODELS,
]


def rotary_of(spec: phasor.PositionSpec, layer: int = 0) -> RotarySpec:
    (found,) = (e for e in spec.layers[layer].encodings if isinstance(e, RotarySpec))
    return found


@pytest.mark.parametrize("model", PUBLISHED, ids=str)
def test_published_configs_give_golden_specs(model: Published) -> None:
    """Those were written by hand from papers and code, before there was a reader."""
    golden = model.spec
    by_layer_type = model in test_golden_by_layer_type.MODELS
    theirs = test_golden_by_layer_type.their_config if by_layer_type else Published.their_config
    found = phasor.read(theirs(model))
    assert found.causal == golden.causal
    assert found.max_seq_len == golden.max_seq_len
    assert found.layers == golden.layers


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    return path


def test_all_sources_give_the_same(file: Path) -> None:
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(**{k: v for k, v in LLAMA.items() if k != "model_type"}, vocab_size=10)
    config.intermediate_size = 16
    expected = phasor.read(dict(LLAMA))
    assert rotary_of(expected).frequencies == GeometricSpec(rotary_dim=64, base=500_000.0)
    for source in (file, str(file), file.parent, config, LlamaModel(config)):
        assert phasor.read(source) == expected


def test_a_dict_is_left_as_it_was() -> None:
    config: dict[str, Any] = {**LLAMA, "rope_scaling": {"type": "linear", "factor": 2.0}}
    before = json.dumps(config)
    phasor.read(config)
    assert json.dumps(config) == before


def test_version_4_and_version_5_say_the_same() -> None:
    old = {**LLAMA, "rope_scaling": {"type": "linear", "factor": 4.0}}
    new = {k: v for k, v in LLAMA.items() if k != "rope_theta"}
    new["rope_parameters"] = {"rope_type": "linear", "factor": 4.0, "rope_theta": 500_000.0}
    assert phasor.read(old) == phasor.read(new)


@pytest.mark.parametrize(
    ("config", "note"),
    [
        ({"model_type": "gpt_neox", "rope_theta": 5e5}, "rope_theta 500000.0 is ignored"),
        ({"model_type": "nemotron", "rope_percent": 0.2}, "rope_percent 0.2 is ignored"),
        ({"model_type": "minimax", "rotary_dim": 64}, "rotary_dim 64 is ignored"),
        (
            {"model_type": "bamba", "partial_rotary_factor": 1.0, "attn_layer_indices": [0]},
            "partial_rotary_factor 1.0 is ignored: layers turn with share 0.5",
        ),
        (
            {"model_type": "dbrx", "attn_config": {"rope_theta": 5e5}, "max_seq_len": 99},
            "attn_config.rope_theta 500000.0 is ignored: layers turn with base 10000",
        ),
        ({"model_type": "olmo3", "rope_theta": 1e6}, "rope_theta 1000000.0 holds for some layers"),
        (
            {"model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 2.0}},
            "original_max_position_embeddings is missing; max_position_embeddings is taken",
        ),
        ({"model_type": "falcon", "alibi": True, "rope_theta": 1e4}, "is ignored: no layer turns"),
        (
            {"model_type": "phi3", "rope_parameters": {"rope_theta": 1e4, "factor": 2.0}},
            "factor 2.0 is ignored: rope_type 'default' does not read it",
        ),
    ],
)
def test_what_has_no_effect_is_named(config: dict[str, Any], note: str) -> None:
    assert any(note in said for said in examine(config).notes), examine(config).notes
    with pytest.warns(UserWarning, match="."):
        phasor.read(config)


def test_what_has_an_effect_is_not_named() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        phasor.read(dict(LLAMA))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "lama"}, "model_type 'lama' is unknown to the installed transformers"),
        ({"hidden_size": 8}, "model_type must name the architecture, got None"),
        ({**LLAMA, "rope_tetha": 3.0}, "rope_tetha 3.0 is not known"),
        (
            {**LLAMA, "rope_scaling": {"type": "yarn", "factor": 2.0, "beta_fsat": 3}},
            "unknown key 'beta_fsat'. Did you mean 'beta_fast'",
        ),
        ({**LLAMA, "rope_scaling": {"type": "ntk", "factor": 2.0}}, "rope_type 'ntk'. There are"),
        ({**LLAMA, "rope_scaling": {"type": "linear"}}, "factor"),
        ({**LLAMA, "rope_theta": "big"}, "'big'"),
        ({**LLAMA, "num_hidden_layers": 10**9}, "num_hidden_layers must be at most 16384"),
        ({"model_type": "swin"}, "swin is not supported"),
    ],
)
def test_strict_refuses(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        phasor.read(config)
    assert message in str(error.value)
    assert "config" in str(error.value)


def test_not_strict_warns() -> None:
    with pytest.warns(UserWarning, match="rope_tetha 3.0 is not known"):
        spec = phasor.read({**LLAMA, "rope_tetha": 3.0}, strict=False)
    assert spec == phasor.read(dict(LLAMA))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "configuration_evil.py").write_text("raise SystemExit('run')")
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "configuration_evil.EvilConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArgumentError, match="its code is not run"):
        phasor.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[1, 2]", "must hold an object, got list"),
        ("{" * 3, "is not JSON"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "nested deeper than the 64 levels"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper than the 64 levels"),
        (" " * (17 * 2**20), "larger than the 16 MB"),
        ("\xff\xfe", "is not JSON"),
    ],
    ids=["empty", "list", "cut", "very deep", "deep", "large", "bytes"],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ArgumentError, match=message):
        phasor.read(path)


def test_missing_files_and_wrong_types(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="does not exist"):
        phasor.read(tmp_path / "none.json")
    with pytest.raises(ArgumentError, match=r"holds no config\.json"):
        phasor.read(tmp_path)
    with pytest.raises(ArgumentTypeError, match="got int"):
        phasor.read(3)


def test_no_path_leads_out_of_a_folder(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.json", tmp_path / "model"
    outside.write_text(json.dumps(LLAMA))
    folder.mkdir()
    (folder / "config.json").symlink_to(outside)
    with pytest.raises(ArgumentError, match="outside of that folder"):
        phasor.read(folder)


def test_backwards_rotation_of_nanochat() -> None:
    spec = phasor.read({"model_type": "nanochat"})
    frequencies = rotary_of(spec).frequencies
    assert isinstance(frequencies, ExplicitSpec)
    assert torch.tensor(frequencies.inv_freq).max() < 0


def test_deepseek_without_interleaving() -> None:
    spec = phasor.read({"model_type": "deepseek_v3", "rope_interleave": False})
    assert rotary_of(spec).layout == "half"


def test_specs_survive_json() -> None:
    for model_type in ("nanochat", "gemma3", "qwen2_vl", "deepseek_v3", "t5", "opt", "llama4"):
        spec = examine({"model_type": model_type}).spec
        assert phasor.PositionSpec.from_json(spec.to_json()) == spec

"""The command: what it prints, and one clear sentence for bad input."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.converting.models import save
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from phasor._convert import command, logits
from phasor._convert.json_file import read_object, write_object
from phasor.cli import app

QUERY = "model.layers.0.self_attn.q_proj.weight"
CONFIG = {"model_type": "llama", "num_attention_heads": 4, "hidden_size": 64}


def phasor(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    save_file({QUERY: torch.randn(64, 64)}, folder / "model.safetensors")
    write_object(folder / "config.json", CONFIG)
    return folder


def test_a_whole_model(tmp_path: Path) -> None:
    source = save("llama", tmp_path / "source")
    (source / "tokenizer.json").write_text("{}")
    (source / "pytorch_model.bin").write_bytes(b"old")
    (source / "original").mkdir()
    before = {file: file.read_bytes() for file in source.iterdir() if file.is_file()}
    run = phasor(source, tmp_path / "target", "--layout=interleaved", "--verify", "--json")
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert found["source_layout"] == "half"
    assert found["target_layout"] == "interleaved"
    assert found["tensors"] == 8  # two layers of weight and bias, of query and key
    assert found["projections"] == 4
    assert found["products"] < 1e-9
    assert found["logits"] < 2e-5
    assert found["not_compared"] is None
    assert found["left_out"] == ["original", "pytorch_model.bin"]
    assert {file: file.read_bytes() for file in before} == before
    there = {file.name for file in (tmp_path / "target").iterdir()}
    assert there == {file.name for file in source.iterdir()} - set(found["left_out"])

    run = phasor(tmp_path / "target", tmp_path / "back", "--layout=half")
    assert "interleaved to half, 8 tensors changed" in run.stdout
    assert "verified: products of all heads of 4 projections agree to" in run.stdout
    assert "verified: logits agree to" in run.stdout
    run = phasor(source, tmp_path / "meta", "--format=meta")
    assert run.exit_code == 2
    assert "Meta's LLaMA has no attention_bias True" in run.stderr


def test_what_was_not_compared_is_said(source: Path, tmp_path: Path) -> None:
    run = phasor(source, tmp_path / "a", "--layout=interleaved", "--no-verify")
    assert "logits were not compared: --no-verify" in run.stdout
    assert "config.json says model_type 'llama-interleaved'" in run.stdout
    # One tensor is no model.
    for number, arguments in enumerate(([], ["--verify"])):
        run = phasor(source, tmp_path / f"b{number}", "--layout=interleaved", *arguments)
        assert run.exit_code == (2 if arguments else 0)
        assert (tmp_path / f"b{number}").exists() == (not arguments)
        assert "it has no embedding of tokens" in (run.stderr if arguments else run.stdout)


def test_a_conversion_that_is_wrong_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save("llama", tmp_path / "source")
    monkeypatch.setattr(command, "prove", lambda *_: (0, 0.0))
    monkeypatch.setattr(logits, "TOLERANCE", -1.0)
    run = phasor(source, tmp_path / "target", "--layout=interleaved")
    assert run.exit_code == 2
    assert "the converted model gives other logits" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_detect(source: Path) -> None:
    run = phasor(source, "--detect")
    assert run.exit_code == 0
    assert run.stdout.startswith("cannot tell: 0 of 4 heads speak for half, 0 for interleaved")
    # An architecture that nobody knows, with the usual names.
    write_object(source / "config.json", {**CONFIG, "model_type": "mystery"})
    norms = torch.linspace(1, 2, 8).repeat(8)[:, None]
    save_file({QUERY: torch.randn(64, 64).sign() * norms}, source / "model.safetensors")
    found = json.loads(phasor(source, "--detect", "--json").stdout)
    assert found == {"layout": "half", "confidence": 1, "half": 4, "interleaved": 0, "heads": 4}
    interleaved = torch.linspace(1, 2, 8).repeat_interleave(2).repeat(4)[:, None]
    save_file({QUERY: torch.randn(64, 64).sign() * interleaved}, source / "model.safetensors")
    assert (
        "its configuration says half: one of the two is wrong" in phasor(source, "--detect").stdout
    )


def deep(path: Path) -> None:
    path.write_text('{"a":' * 10_000 + "1" + "}" * 10_000)


def edit(**changes: object) -> Callable[[Path], None]:
    def write(source: Path) -> None:
        config = {**read_object(source / "config.json"), **changes}
        write_object(source / "config.json", {k: v for k, v in config.items() if v is not ...})

    return write


def weights(**tensors: torch.Tensor) -> Callable[[Path], None]:
    def write(source: Path) -> None:
        named = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
        save_file(
            {**load_file(source / "model.safetensors"), **named}, source / "model.safetensors"
        )

    return write


def index(weight_map: object) -> Callable[[Path], None]:
    return lambda source: write_object(
        source / "model.safetensors.index.json", {"weight_map": weight_map}
    )


def large(source: Path) -> None:
    with (source / "config.json").open("wb") as file:
        file.truncate(100_000_000)


def nothing(_: Path) -> None:
    pass


SQUARE = torch.zeros(64, 64)


@pytest.mark.parametrize(
    ("damage", "arguments", "message"),
    [
        (nothing, ["target"], "pass either --layout or --format"),
        (nothing, ["target", "--layout=half", "--format=hf"], "pass either --layout or --format"),
        (nothing, ["--layout=half"], "name the folder to make"),
        (nothing, ["target", "--layout=interleved"], "Did you mean 'interleaved'?"),
        (nothing, ["target", "--format=gguf"], "--format: there is no format 'gguf'"),
        (nothing, ["target", "--layout=half"], "is in the half layout already"),
        (nothing, ["target", "--format=hf"], "is in the hf format already"),
        (nothing, ["target", "--detect"], "--detect only looks"),
        (lambda s: (s / "config.json").unlink(), [], "there is no config.json, params.json"),
        (lambda s: (s / "model.safetensors").unlink(), [], "there are no .safetensors files in"),
        (lambda s: (s / "config.json").write_text("{"), [], "config.json is not JSON: "),
        (lambda s: (s / "config.json").write_bytes(b"\xff"), [], "config.json is not JSON: "),
        (lambda s: (s / "config.json").write_text("[1]"), [], "must hold an object, got list"),
        (lambda s: deep(s / "config.json"), [], "config.json is nested deeper than"),
        (large, [], "config.json is larger than the 16 MB"),
        (edit(model_type="lama"), [], "no architecture 'lama'. Did you mean 'llama'?"),
        (edit(model_type=3), [], "has no model_type"),
        (edit(num_attention_heads="4"), [], "must be a positive integer, got '4'"),
        (edit(num_attention_heads=True), [], "must be a positive integer, got True"),
        (edit(num_attention_heads=-4), [], "must be a positive integer, got -4"),
        (edit(num_attention_heads=...), [], "must say num_attention_heads, and hidden_size"),
        (edit(num_attention_heads=5), [], "is not a multiple of the number of attention heads"),
        (edit(num_attention_heads=8, head_dim=12), [], "says 8 heads of 12 channels"),
        (edit(head_dim=7), [], "heads of 7 channels, which do not pair"),
        (edit(partial_rotary_factor=0.5), [], "0.5 in"),
        (edit(partial_rotary_factor="x"), [], "must be a positive number, got 'x'"),
        (edit(rope_parameters=[1]), [], "rope_parameters in"),
        (edit(model_type="phi"), [], "must say partial_rotary_factor"),
        (edit(model_type="qwen3_next"), [], "a query projection holds a gate beside each head"),
        (edit(model_type="gemma4_text"), [], "layers have heads of different widths"),
        (edit(model_type="qwen2_vl", text_config={}, vision_config={}), [], "text alone"),
        (edit(model_type="deepseek_v3"), [], "must say qk_nope_head_dim and qk_rope_head_dim"),
        (edit(model_type="deepseek_v3", qk_nope_head_dim=8, qk_rope_head_dim=8,
              rope_interleave=False), [], "by its spec the trailing 8 of 16 channels turn in half"),
        (edit(model_type="codegen", num_attention_heads=2, rotary_dim=8), [], "a quarter of them"),
        (edit(model_type="gptj"), [], "rotary_dim in"),
        (edit(model_type="falcon", alibi=True), [], "nothing turns"),
        (edit(model_type="gpt_neox", rotary_pct=1.0), [], "looks like a part of attention"),
        (edit(phasor={"layout": "round"}), [], "no layout 'round'"),
        (edit(phasor=1), [], "phasor in"),
        (weights(model__layers__0__self_attn__indexer__wk__weight=SQUARE), [], "is not known in"),
        (weights(model__layers__0__cross_attn__q_proj__weight=SQUARE), [], "looks like a part of"),
        (weights(vision__blocks__0__attn__qkv__weight=SQUARE), [], "looks like a part of"),
        (weights(model__layers__0__self_attn__q_proj__qweight=SQUARE), [], "dequantise the"),
        (weights(model__layers__0__self_attn__k_proj__weight=SQUARE[:60]), [], "shape [60, 64]"),
        (weights(model__layers__0__self_attn__k_norm__weight=SQUARE[0, :60]), [], "has shape"),
        (index([]), [], "must have a weight_map from tensors to files"),
        (index({QUERY: "gone.safetensors"}), [], "gone.safetensors is missing"),
        (index({QUERY: "../source/model.safetensors"}), [], "names a file outside its folder"),
        (index({"other": "model.safetensors"}), [], "and the files disagree on"),
        (lambda s: save_file({"a": SQUARE}, s / "b.safetensors"), [], "2 .safetensors files and"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(
    damage: Callable[[Path], None],
    arguments: list[str],
    message: str,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    damage(source)
    before = sorted(tmp_path.rglob("*"))
    run = phasor(source, *(arguments or ["target", "--layout=interleaved"]))
    assert run.exit_code == 2, run.output
    assert message in run.stderr
    assert re.fullmatch(r"Error: .*\n", run.stderr)
    assert run.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_sources_that_are_no_folder(source: Path, tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "nowhere", "there is no folder"),
        (source / "model.safetensors", "is a file; name its folder"),
    ):
        run = phasor(path, tmp_path / "target", "--layout=interleaved")
        assert run.exit_code == 2
        assert message in run.stderr

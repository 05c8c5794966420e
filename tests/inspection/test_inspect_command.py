"""`phasor inspect` and `phasor diff` from outside."""

import json
from pathlib import Path
from typing import Any

import pytest
from spec.golden import GOLDEN
from typer.testing import CliRunner, Result

from phasor._inspect import inspect
from phasor._words import number
from phasor.cli import app

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
    "rope_parameters": {
        "rope_theta": 500_000.0,
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}


def run(*arguments: str | Path, width: int = 120) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": str(width)})


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    folder = tmp_path / "llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA))
    return folder


def test_a_model_in_words(llama: Path) -> None:
    done = run("inspect", llama)
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert "llama: 32 layers, tokens see earlier ones, meant for 131,072 tokens" in text
    assert "every layer rotary: all 128 channels turn, i with i + 64, base 500,000" in text
    assert "trained context 8,192 tokens" in text
    assert "29 of 64 pairs (pairs 35 to 63) never go around" in text
    assert "effective context 65,536 tokens" in text
    assert "theta-inside rope_theta 500,000 is in rope_parameters" in text
    assert "unslothai/unsloth#2405" in text
    assert run("inspect", llama / "config.json").stdout == done.stdout


def test_json_is_alone_on_standard_output_and_says_the_same(llama: Path) -> None:
    done = run("inspect", llama, "--json", "--length", "262144")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["length"] == 262_144
    assert found["layers"][0]["layers"] == list(range(32))
    (rotary,) = found["rotary"]
    assert rotary["effective_length"] == 65_536
    assert rotary["pairs_never_around"] == list(range(35, 64))
    assert len(rotary["pairs"]) == 64
    assert {"unseen-angles", "theta-inside"} <= {f["code"] for f in found["findings"]}
    assert found["spec"]["phasor_spec"] == 1


@pytest.mark.parametrize("name", GOLDEN)
def test_every_golden_spec_can_be_looked_at(name: str, tmp_path: Path) -> None:
    spec = GOLDEN[name]()
    path = tmp_path / "spec.json"
    path.write_text(spec.to_json())
    done = run("inspect", path, width=300)
    assert done.exit_code == 0, done.output
    assert spec.model in done.stdout
    inspection = inspect(spec)
    for group in inspection.groups:
        assert group.words in done.stdout
    for finding in inspection.findings:
        assert finding.code in done.stdout
    # No number is infinite or undefined where a program reads it.
    json.dumps(inspection.as_json(), allow_nan=False)


def test_narrow_terminals_lose_nothing(llama: Path) -> None:
    wide, narrow = (run("inspect", llama, width=width).stdout for width in (200, 60))
    assert max(map(len, narrow.splitlines())) <= 60
    for word in ("65,536", "unseen-angles", "[unslothai/unsloth#2405,"):
        assert word in wide
        assert word in narrow


def test_towers_are_looked_at_too() -> None:
    with_tower = [name for name in GOLDEN if GOLDEN[name]().towers]
    for name in with_tower:
        inspection = inspect(GOLDEN[name]())
        assert len(inspection.towers) == len(inspection.spec.towers)


def test_diff_of_two_models(llama: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**LLAMA, "max_position_embeddings": 32_768}))
    done = run("diff", llama, other)
    assert done.exit_code == 1
    assert "max_seq_len is 131072" in done.stdout
    same = run("diff", llama, llama / "config.json")
    assert (same.exit_code, same.stdout) == (0, "No difference.\n")
    as_json = run("diff", llama, other, "--json")
    assert as_json.exit_code == 1
    assert len(json.loads(as_json.stdout)["differences"]) == 1


def _missing(folder: Path) -> Path:
    return folder / "nothing"


def _empty_folder(folder: Path) -> Path:
    return folder


def _write(text: str, name: str = "config.json") -> Any:
    def write(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return write


def _huge(folder: Path) -> Path:
    path = folder / "config.json"
    with path.open("wb") as file:
        file.write(b'{"model_type": "')
        file.truncate(100 * 2**20)
    return path


def _changed(**changes: Any) -> Any:
    return _write(json.dumps({**LLAMA, **changes}))


BAD = {
    "missing": (_missing, "does not exist"),
    "empty folder": (_empty_folder, "has no config.json"),
    "huge": (_huge, "is larger than"),
    "deep lists": (_write("[" * 10_000 + "]" * 10_000), "nested deeper"),
    "deep objects": (_write('{"a":' * 10_000 + "1" + "}" * 10_000), "nested deeper"),
    "deep spec": (_write('{"phasor_spec": 1, "a":' * 10_000 + "1" + "}" * 10_000), "nested deeper"),
    "broken": (_write("{model}"), "is not JSON"),
    "nothing in it": (_write(""), "is not JSON"),
    "a list": (_write("[1, 2]"), "must hold an object"),
    "no architecture": (_write('{"hidden_size": 8}'), "model_type"),
    "unknown architecture": (_write('{"model_type": "lama"}'), "'lama'"),
    "other version": (_write('{"phasor_spec": 99}'), "a spec must say 'phasor_spec': 1, got 99"),
    "words for numbers": (_changed(num_hidden_layers="many"), "num_hidden_layers"),
    "too many layers": (_changed(num_hidden_layers=10**9), "num_hidden_layers"),
    "unknown scaling": (
        _changed(rope_parameters={"rope_type": "yearn", "rope_theta": 1e4}),
        "yearn",
    ),
    "negative width": (_changed(head_dim=-64), "head_dim"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("verb", ["inspect", "diff"])
def test_what_cannot_be_read_is_said_in_a_sentence(
    verb: str, bad: str, tmp_path: Path, llama: Path
) -> None:
    make, part = BAD[bad]
    folder = tmp_path / "bad"
    folder.mkdir()
    source = make(folder)
    done = run(verb, source, *([llama] if verb == "diff" else []))
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert part in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert len(done.stderr) < 600


@pytest.mark.parametrize("length", ["0", "-5", str(2**31 + 1)])
def test_lengths_are_checked(length: str, llama: Path) -> None:
    done = run("inspect", llama, "--length", length)
    assert done.exit_code == 2
    assert f"length must be from 1 to {2**31} tokens, got {length}" in done.stderr


def test_numbers_as_people_write_them() -> None:
    assert [number(value) for value in (131_072, 1e6, 0.5, 1.41588, 12_345.678, float("inf"))] == [
        "131,072", "1,000,000", "0.5", "1.416", "12,345.7", "∞"
    ]  # fmt: skip


def test_what_to_pass_to_others_and_nothing_else(llama: Path) -> None:
    for target, start in (
        ("vllm", '--hf-overrides \'{"rope_parameters": {'),
        ("ollama", "PARAMETER num_ctx 131072\n"),
        ("megatron", "--position-embedding-type rope --rotary-base 500000 "),
        ("mlx", "{\n"),
        ("hf", "{\n"),
    ):
        result = run("inspect", llama, "--as", target)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith(start)
    fields = json.loads(run("inspect", llama, "--as", "hf").stdout)
    assert fields["rope_parameters"] == LLAMA["rope_parameters"]
    result = run("inspect", llama, "--as", "llama.cpp")
    assert result.stdout == "--ctx-size 131072 --rope-freq-base 500000 --rope-scaling none\n"
    assert "the GGUF file must hold it: rope_freqs.weight" in result.stderr


def test_a_target_that_is_unknown_or_cannot(llama: Path, tmp_path: Path) -> None:
    result = run("inspect", llama, "--as", "vlm")
    assert result.exit_code == 2
    assert "Did you mean 'vllm'? There are: hf, vllm, llama.cpp, ollama, " in result.stderr
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bloom"}))
    result = run("inspect", tmp_path, "--as", "vllm")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "vLLM cannot do what bloom does: alibi (every layer)" in result.stderr

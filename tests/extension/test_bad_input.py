"""What cannot be extended: one sentence each, and nothing written or lost."""

import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from extension.gguf_file import write_gguf
from extension.tiny_model import byte_tokenizer, save, tiny_config
from transformers import BloomConfig, BloomForCausalLM, LlamaForCausalLM
from typer.testing import CliRunner

from phasor._extend.options import Options
from phasor._extend.run import extend, run
from phasor._extend.store import Measurement
from phasor._options import as_command
from phasor.cli import app
from phasor.errors import ArgumentError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(LlamaForCausalLM(tiny_config(num_hidden_layers=1)), tmp_path / "model")


def long_text(folder: Path) -> Path:
    """Four documents of a thousand tokens each."""
    text = folder / "text"
    text.mkdir()
    for number in range(4):
        letters = "".join(chr(97 + (at * at + number) % 23) for at in range(1000))
        (text / f"{number}.txt").write_text(letters)
    return text


def files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(path: Path, match: str, **options: Any) -> None:
    """The same from the library and from the command, in one sentence; nothing is changed."""
    out = options.pop("out", path.parent / "out")
    before = files(path.parent)
    with pytest.raises(ArgumentError, match=match) as caught:
        extend(path, out=out, **{"to": 256} | options)
    assert files(path.parent) == before
    words = str(caught.value)
    assert "\n" not in words
    arguments = ["extend", str(path), "--out", str(out), "--device", "cpu"]
    for name, value in ({"to": 256} | options).items():
        words_of = ",".join(value) if isinstance(value, list) else str(value)
        arguments += [f"--{name}", words_of]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "1000"})
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert as_command(words, Options) in " ".join(done.output.split("\n"))
    assert files(path.parent) == before


def test_neither_a_rotation_nor_a_table(tmp_path: Path) -> None:
    config = BloomConfig(
        vocab_size=256, hidden_size=16, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=None
    )
    BloomForCausalLM(config).save_pretrained(tmp_path / "model")
    byte_tokenizer().save_pretrained(tmp_path / "model")
    refused(tmp_path / "model", "has no rotary layer .* and no learned table")


def test_a_checkpoint_that_changed_is_not_gone_on_with(model: Path) -> None:
    """Same path, same sizes: one bit of one weight is enough."""
    out, text = model.parent / "out", long_text(model.parent)
    options: dict[str, Any] = {"to": 128, "out": out, "text": text, "methods": ["yarn"]}

    def stop(event: object) -> None:
        if isinstance(event, Measurement):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Options(model, **options), stop)
    file = model / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArgumentError, match=r"measurements of another run: weights is '[0-9a-f]+'"):
        extend(model, **options, resume=True)
    data[-1] ^= 1
    file.write_bytes(data)
    assert extend(model, **options, resume=True).complete


@pytest.mark.parametrize("to", [64, 63, 0, -5])
def test_a_target_that_the_model_has(model: Path, to: int) -> None:
    refused(model, f"to= must be more than the 64 tokens .* got {to}", to=to)


def test_no_tokenizer(model: Path) -> None:
    for file in model.glob("token*"):
        file.unlink()
    refused(model, "cannot read a tokenizer from")


def test_a_text_that_is_too_short(model: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short " * 20)
    refused(model, "too short for to=256", text=tmp_path / "short.txt")
    refused(model, "there is no text at", text=tmp_path / "missing.txt")


def test_a_folder_that_exists(model: Path) -> None:
    (out := model.parent / "full").mkdir()
    (out / "work").write_text("a life's")
    refused(model, "exists already", out=out)


def test_numbers_out_of_their_range(model: Path) -> None:
    refused(model, "documents must be at least 1", documents=0)
    refused(model, "passkeys at least 0", passkeys=-1)
    with pytest.raises(ArgumentError, match="budget must not be negative"):
        extend(model, to=256, budget=-1.0)
    with pytest.raises(ArgumentError, match="budget must not be negative"):
        extend(model, to=256, budget=float("nan"))
    with pytest.raises(ArgumentError, match="resume=True needs out=,"):
        extend(model, to=256, resume=True)


def test_an_unknown_method(model: Path) -> None:
    refused(model, "there is no method 'yaarn'", methods=["yaarn"])


def test_nothing_there(tmp_path: Path) -> None:
    refused(tmp_path / "missing", "there is nothing at")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "there is no config.json in")


@pytest.mark.parametrize("share", [0.5, 0.001, 0.0])
def test_truncated_safetensors(model: Path, share: float) -> None:
    file = model / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    refused(model, "cannot be loaded: SafetensorError")


def test_weights_that_are_missing(model: Path) -> None:
    """transformers would draw them at random."""
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    refused(model, "lacks 1 weights of its model, model.layers.0.mlp.up_proj.weight first")


def test_a_damaged_config(model: Path) -> None:
    (model / "config.json").write_text('{"model_type": "llama", ')
    refused(model, "is not JSON: ")


@pytest.mark.parametrize("share", [0.7, 0.0])
def test_a_truncated_gguf(tmp_path: Path, share: float) -> None:
    file = write_gguf(LlamaForCausalLM(tiny_config()), tmp_path / "model.gguf")
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    refused(file, "is no complete GGUF file: ")


def limited(size: int, *arguments: str) -> Result:
    """The command where no file may be larger than `size` bytes: a disk that fills."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        return CliRunner().invoke(
            app, ["extend", *arguments, "--device", "cpu"], env={"COLUMNS": "1000"}
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [1_500, 100_000])
def test_a_disk_that_is_full(model: Path, size: int) -> None:
    """In the middle of the measurements, and of the checkpoint: a second try goes on from there."""
    out, text = model.parent / "out", long_text(model.parent)
    before = files(model)
    arguments = [
        str(model), "--to", "128", "--out", str(out), "--text", str(text),
        "--methods", "yarn", "--documents", "2", "--passkeys", "0",
    ]  # fmt: skip
    done = limited(size, *arguments)
    assert done.exit_code == (1 if size == 1_500 else 2), done.output
    assert isinstance(done.exception, SystemExit)
    words = [line for line in done.output.splitlines() if "File too large" in line]
    assert len(words) == 1, done.output
    assert "--resume" in words[0]
    assert not out.exists()
    assert {file.name for file in model.parent.iterdir()} == {"model", "text", "out.measuring"}
    kept = (model.parent / "out.measuring" / "measurements.jsonl").read_text()
    whole = kept[: kept.rindex("\n") + 1] if "\n" in kept else ""
    done = CliRunner().invoke(app, ["extend", *arguments, "--device", "cpu", "--resume"])
    assert done.exit_code == 0, done.output
    assert (out / "measurements.jsonl").read_text().startswith(whole)
    assert files(model) == before


@pytest.mark.parametrize("option", ["--search", "--finetune=20"])
def test_a_disk_that_is_full_beside_the_measurements(model: Path, option: str) -> None:
    """Trials are in a database, training in a file of its own; both may be what does not fit."""
    out, text = model.parent / "out", long_text(model.parent)
    done = limited(
        8_000, str(model), "--to", "128", "--out", str(out), "--text", str(text),
        "--methods", "yarn", "--documents", "1", "--passkeys", "0", option,
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    assert "go on with --resume" in done.output
    assert not out.exists()


def test_without_transformers_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phasor._extend.source import load

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ArgumentError, match=r"pip install 'torch-phasor\[hub\]'"):
        load(tmp_path, target_length=256)

"""No verb runs, unpickles or fetches what a checkpoint names."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

MARK = "import os, pathlib; pathlib.Path(os.environ['MARKER']).write_text('{}')\n"
# In every process of the command: whatever it asks of a network is marked.
NO_NETWORK = """
import os, pathlib, socket
def refuse(*_, **__):
    pathlib.Path(os.environ["MARKER"]).write_text("network")
    raise OSError("no network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
"""
CODE = {
    "AutoConfig": "evil.EvilConfig",
    "AutoModel": "evil.EvilModel",
    "AutoModelForCausalLM": "evil.EvilModel",
    "AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"],
}
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 64, "max_position_embeddings": 64,
}  # fmt: skip
# One that is known and not mapped, one that is known, one that is known by its own code alone.
CONFIGS: dict[str, dict[str, Any]] = {
    "imagegpt": {
        "model_type": "imagegpt", "n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 64,
        "n_positions": 64,
    },
    "llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **SIZES},
    "evil": {"model_type": "evil", **SIZES},
}  # fmt: skip
STORED = tuple(2.0**-at for at in range(8))
VERBS = {
    "inspect": ["inspect", "{folder}"],
    "diff": ["diff", "{folder}", "{folder}"],
    "check": ["check", "{folder}"],
    "convert": ["convert", "{folder}", "{out}", "--to", "interleaved"],
    "extend": ["extend", "{folder}", "--to", "128", "--out", "{out}", "--text", "{text}"],
}


class Pickled:
    """Marks when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (MARK.format("pickle"),)


def plant(folder: Path, config: dict[str, Any]) -> None:
    folder.mkdir()
    named = {"auto_map": CODE, "attn_implementation": "evil/kernel"}
    (folder / "config.json").write_text(json.dumps(config | named))
    (folder / "evil.py").write_text(MARK.format("code"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": CODE}))
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump(Pickled(), file)


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("inspect", "evil"), ("diff", "evil")]
    + [(verb, kind) for verb in ("check", "convert", "extend") for kind in CONFIGS],
)
def test_nothing_of_a_folder_is_run(verb: str, kind: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    plant(tmp_path / "model", CONFIGS[kind])
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    text = tmp_path / "text"
    text.mkdir()
    (text / "a.txt").write_text("The cat sat on the mat. " * 400)
    places = {"folder": tmp_path / "model", "out": tmp_path / "out", "text": text}
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "phasor", *(part.format(**places) for part in VERBS[verb])],
        input="y\n" * 9, capture_output=True, text=True, timeout=240, check=False,
        env=os.environ | {"MARKER": str(marker), "PYTHONPATH": path, "HF_HUB_OFFLINE": "0"},
    )  # fmt: skip
    assert not marker.exists(), marker.read_text()
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, done.stderr  # not known, or no weights without pickles


def test_the_marks_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "marker"
    monkeypatch.setenv("MARKER", str(marker))
    plant(tmp_path / "model", CONFIGS["evil"])
    pickle.loads((tmp_path / "model" / "pytorch_model.bin").read_bytes())
    assert marker.read_text() == "pickle"
    exec((tmp_path / "model" / "evil.py").read_text())
    assert marker.read_text() == "code"


def link_weights(folder: Path, elsewhere: Path, name: str) -> None:
    """A checkpoint of LLaMA whose weights lie elsewhere, as `name` says."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIGS["llama"]))
    elsewhere.parent.mkdir(parents=True, exist_ok=True)
    save_file({"model.norm.weight": torch.ones(32)}, elsewhere)
    if name == "a link":
        (folder / "model.safetensors").symlink_to(elsewhere)
    else:
        entry = str(elsewhere) if name == "absolute" else f"../{elsewhere.name}"
        index = {"metadata": {}, "weight_map": {"model.norm.weight": entry}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("name", ["a link", "absolute", "relative"])
def test_weights_elsewhere_are_not_opened(name: str, tmp_path: Path) -> None:
    from phasor._read.loading import load_model
    from phasor.errors import ArgumentError

    link_weights(tmp_path / "model", tmp_path / "other.safetensors", name)
    with pytest.raises(ArgumentError, match="outside of that folder"):
        load_model(tmp_path / "model", causal=True)


def with_frequencies(folder: Path) -> Path:
    """A checkpoint that stores other frequencies than its config says."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIGS["llama"]))
    tensors = {"model.norm.weight": torch.ones(32), "rotary_emb.inv_freq": torch.tensor(STORED)}
    save_file(tensors, folder / "model.safetensors")
    return folder


def frequencies(folder: Path) -> tuple[float, ...]:
    import phasor

    with pytest.warns(UserWarning, match="in the checkpoint replaces the frequencies"):
        (rotary,) = phasor.read(folder).layers[0].encodings
    return tuple(rotary.build().frequencies.inv_freq[0].tolist())


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_files_elsewhere_are_not_read(name: str, tmp_path: Path) -> None:
    """The frequencies that are stored there would be in the spec."""
    from spec.golden.llama import llama_2

    import phasor
    from phasor._inspect.source import open_source
    from phasor.errors import ArgumentError

    folder = with_frequencies(tmp_path / "model")
    assert frequencies(folder) == STORED
    (folder / name).rename(tmp_path / name)
    if name == "config.json":
        # It is a spec of phasor's own, which would be taken as it is.
        (tmp_path / name).write_text(llama_2().to_json())
    (folder / name).symlink_to(tmp_path / name)
    (tmp_path / "text.txt").write_text("The cat sat on the mat. " * 400)
    for read in (
        lambda: phasor.read(folder),
        lambda: open_source(folder),
        lambda: phasor.extend(folder, to=128, text=tmp_path / "text.txt", out=tmp_path / "out"),
    ):
        with pytest.raises(ArgumentError, match="outside of that folder"):
            read()
    assert not (tmp_path / "out").exists()


def test_frequencies_in_blobs_of_the_hub_cache_are_read(tmp_path: Path) -> None:
    snapshot = with_frequencies(tmp_path / "models--a--b" / "snapshots" / "abc")
    blob = tmp_path / "models--a--b" / "blobs" / "1234"
    blob.parent.mkdir()
    (snapshot / "model.safetensors").rename(blob)
    (snapshot / "model.safetensors").symlink_to(blob)
    assert frequencies(snapshot) == STORED


def test_blobs_of_the_hub_cache_are_opened(tmp_path: Path) -> None:
    from phasor._read.loading import load_model

    snapshot = tmp_path / "models--a--b" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    link_weights(snapshot, tmp_path / "models--a--b" / "blobs" / "1234", "a link")
    loaded = load_model(snapshot, causal=True)
    assert "model.norm.weight" not in loaded.missing
    assert loaded.missing[0] == "lm_head.weight"

"""Files that claim what they do not hold are refused at once, in one sentence."""

import json
import math
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from checkpoints import mutations
from checkpoints.converting.models import build
from safetensors.torch import save_file

import phasor
from phasor._convert.source import read_source
from phasor._read import examine
from phasor._read.gguf_header import read_header
from phasor.errors import ArgumentError
from phasor.spec import (
    AxialSpec,
    DeBERTaSpec,
    ExplicitSpec,
    GeometricSpec,
    LayerSpec,
    LearnedSpec,
    PositionSpec,
    RotarySpec,
    SectionsSpec,
)

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
}
PHI: dict[str, Any] = {**LLAMA, "model_type": "phi3", "pad_token_id": 0}
SECONDS = 30
"""What was refused in far less than one used to go on for ever."""


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise mutations.TookTooLongError

    usual = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, usual)


def header(*values: bytes, tensors: int = 0, count: int | None = None) -> bytes:
    count = len(values) if count is None else count
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, count) + b"".join(values)


def text(word: str) -> bytes:
    return struct.pack("<Q", len(word)) + word.encode()


def array(kind: int, count: int) -> bytes:
    return text("general.tags") + struct.pack("<IIQ", 9, kind, count)


GIANT = 2**60
LIES = {
    "array of numbers": (header(array(4, GIANT)), f"{GIANT} items of 'general.tags'"),
    "array of strings": (header(array(8, GIANT)), f"{GIANT} items"),
    "array of bytes past the end": (header(array(0, 4_000_000)), "goes on past its end"),
    "array of arrays": (header(array(9, 1), array(4, 0)), "arrays hold numbers or strings"),
    "values": (header(count=GIANT), f"there are {GIANT} values"),
    "tensors": (header(tensors=GIANT), f"there are {GIANT} tensors"),
    "string": (header(struct.pack("<Q", GIANT)), "goes on past its end"),
    "value of a string": (
        header(text("general.name") + struct.pack("<IQ", 8, GIANT)),
        "goes on past its end",
    ),
    "dimensions": (header(text("a") + struct.pack("<I", 2**31), tensors=1, count=0), "dimensions"),
    "numbers of a tensor": (
        header(text("a") + struct.pack("<IQQIQ", 2, 2**31, 2**31, 0, 0), tensors=1, count=0),
        "ends before the numbers of 'a'",
    ),
    "alignment": (
        header(text("general.alignment") + struct.pack("<II", 4, 3)),
        "must be a power of two, got 3",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_gguf_header_that_lies(tmp_path: Path, lie: str) -> None:
    data, sentence = LIES[lie]
    file = tmp_path / "model.gguf"
    file.write_bytes(data)
    with pytest.raises(ArgumentError, match=f"no complete GGUF file.*{sentence}"):
        phasor.read(file)


def test_a_gguf_header_says_what_the_library_reads(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_uint8("a", 200)
    writer.add_int64("b", -5)
    writer.add_float64("c", 0.1)
    writer.add_bool("d", True)
    writer.add_array("e", [1, 2, 3])
    writer.add_array("f", ["x", "é"])
    writer.add_array("g", [0.5, -1.0])
    numbers = np.linspace(1, 8, 32, dtype=np.float32)
    writer.add_tensor("rope_freqs.weight", numbers)
    writer.add_tensor("half", numbers.astype(np.float16).reshape(4, 8))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    reader = gguf.GGUFReader(file)
    expected = {name: field.contents() for name, field in reader.fields.items()}
    found = read_header(file)
    assert found.values == {k: v for k, v in expected.items() if not k.startswith("GGUF.")}
    for tensor in reader.tensors:
        assert list(found.tensors[tensor.name].shape) == tensor.shape.tolist()
        assert found.floats(tensor.name) == tensor.data.astype(float).ravel().tolist()
    assert found.floats("missing") is None


def test_packed_frequencies_are_not_taken_for_numbers(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    packed = gguf.quants.quantize(np.ones((1, 32), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("rope_freqs.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ArgumentError, match=r"rope_freqs\.weight holds 32 numbers of type Q8_0"):
        phasor.read(file)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, listening, device, Path.mkdir])
@pytest.mark.parametrize("name", ["config.json", "params.json", "model.safetensors", "a.gguf"])
def test_what_is_no_regular_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    if name == "model.safetensors":
        (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    make(Path(name))
    source = tmp_path / name if name == "a.gguf" and make is not Path.mkdir else tmp_path
    with pytest.raises(ArgumentError) as raised:
        phasor.read(source)
    assert "\n" not in str(raised.value)
    if name != "a.gguf":
        with pytest.raises(ArgumentError):
            read_source(tmp_path)


ROPE = {"rope_theta": 1e4}
SIZES: dict[str, dict[str, Any]] = {
    "share": {**LLAMA, "model_type": "gpt_neox", "rotary_pct": 1e9},
    "layers": {**LLAMA, "num_hidden_layers": 10**9},
    "layers as a float": {**LLAMA, "num_hidden_layers": 1e9},
    "labels": {**LLAMA, "num_labels": 10**9},
    "head": {**LLAMA, "head_dim": 2**40},
    "a head that could be": {**LLAMA, "head_dim": 2**19},
    "axes": {
        "model_type": "qwen2_vl",
        "text_config": {
            "rope_scaling": {"type": "mrope", "mrope_section": [*[0] * 100_000, 64]},
        },
    },
    "rows": {"model_type": "opt", "max_position_embeddings": 2**40},
    "heads of ALiBi": {"model_type": "bloom", "n_head": 2**20},
    "layers that all differ": {
        **LLAMA,
        "model_type": "granite_swa",
        "head_dim": 2**12,
        "num_hidden_layers": 16_384,
        "layer_rope_theta": [1e4 + layer for layer in range(16_384)],
    },
    "digits": {"dim": 64, "n_layers": 2, "n_heads": 4, "rope_theta": 10**5000},
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_no_model_has(name: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        phasor.read(SIZES[name])
    assert len(str(raised.value)) < 1000


def test_a_config_of_too_many_values(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "llama", "a": [' + "[]," * 5_000_000 + "[]]}")
    with pytest.raises(ArgumentError, match="holds more than the 262144 values"):
        phasor.read(file)
    shared: list[Any] = []
    for _ in range(60):
        shared = [shared, shared, shared]
    with pytest.raises(ArgumentError, match="holds more than the 262144 values"):
        phasor.read({**LLAMA, "a": shared})


def test_models_at_the_bounds_are_read() -> None:
    spec = phasor.read({**LLAMA, "num_hidden_layers": 16_384, "head_dim": 128})
    assert len(spec.layers) == 16_384
    assert phasor.read({**LLAMA, "head_dim": 2**12}).layers[0].encodings[0].head_dim == 2**12  # type: ignore[union-attr]


def longrope(**changes: Any) -> dict[str, Any]:
    scaling = {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    return {**PHI, "rope_scaling": {**scaling, **changes}, "original_max_position_embeddings": 512}


UNBUILDABLE = {
    "attention_factor": (longrope(attention_factor=-1.0), "attention_factor must be positive"),
    "long_factor": (longrope(long_factor=[*[2.0] * 7, 0.0]), "factors must be positive"),
    "short_factor": (longrope(short_factor=[-1.0] * 8), "factors must be positive"),
    "overflow": (
        {**LLAMA, "rope_scaling": {"type": "dynamic", "factor": 1e300}},
        "factor must be at least 1, got 0.0",
    ),
    "base": ({**LLAMA, "head_dim": 512, "rope_theta": 5e-324}, "its numbers pass what float64"),
}


@pytest.mark.parametrize("name", UNBUILDABLE)
def test_what_does_not_build_is_not_read(name: str) -> None:
    config, sentence = UNBUILDABLE[name]
    with pytest.raises(ArgumentError, match=sentence):
        examine(config, strict=False)


def test_the_parts_of_a_spec_refuse_what_does_not_build() -> None:
    eight = GeometricSpec(rotary_dim=8)
    wrong = phasor.scaling.longrope(
        short_factor=[1.0] * 3, long_factor=[1.0] * 3, original_seq_len=64, factor=2.0
    )
    with pytest.raises(ArgumentError, match="3 factors for 4 pairs"):
        LayerSpec(encodings=(RotarySpec(head_dim=8, frequencies=eight, scaling=wrong),))
    with pytest.raises(ArgumentError, match="attention_factor must be positive, got -1"):
        phasor.scaling.longrope(
            short_factor=[1.0], long_factor=[1.0], original_seq_len=64,
            short_attention_factor=1.0, long_attention_factor=-1.0,
        )  # fmt: skip
    for factor in (math.nan, 0.0, -2.0, math.inf):
        with pytest.raises(ArgumentError, match="factor must be positive"):
            phasor.scaling.longrope(
                short_factor=[1.0], long_factor=[1.0], original_seq_len=64, factor=factor
            )
    with pytest.raises(ArgumentError, match="original_seq_len must be at least 2"):
        phasor.scaling.longrope(
            short_factor=[1.0], long_factor=[1.0], original_seq_len=1, factor=2.0
        )
    with pytest.raises(ArgumentError, match="rotary_dim must be at most 131072"):
        GeometricSpec(rotary_dim=2**40)
    with pytest.raises(ArgumentError, match=r"at most 131072 numbers, got 32768 axes"):
        AxialSpec(rotary_dim=2**16, axes=2**15)
    with pytest.raises(ArgumentError, match="as many pairs for each axis"):
        RotarySpec(head_dim=8, frequencies=ExplicitSpec(inv_freq=((1.0,), (1.0, 2.0))))
    with pytest.raises(ArgumentError, match="at most 131072 numbers"):
        RotarySpec(head_dim=8, frequencies=eight, sections=SectionsSpec(sizes=(4, *[0] * 2**16)))
    with pytest.raises(ArgumentError, match="tables of"):
        LearnedSpec(num_positions=2**40, dim=2**16).check_whole()
    with pytest.raises(ArgumentError, match="tables of"):
        DeBERTaSpec(dim=2**16, head_dim=1, num_heads=2**16).check_whole()
    with pytest.raises(ArgumentError, match="score_scale must be positive, got nan"):
        phasor.spec.LayerSpec(score_scale=math.nan)
    with pytest.raises(ArgumentError, match="a spec must be JSON"):
        PositionSpec.from_json('{"phasor_spec": ' + "9" * 5000 + "}")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "llama"
    build("llama").save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", list(mutations.KINDS))
def test_some_of_the_mutations(kind: str) -> None:
    signal.alarm(0)
    assert mutations.run({kind: range(60 if kind == "config" else 150)}) == []


def test_all_of_the_mutations_are_a_hundred_thousand() -> None:
    assert sum(mutations.CASES.values()) == 100_000
    assert mutations.CASES.keys() == mutations.KINDS.keys()


def test_the_file_that_mutations_of_gguf_begin_with_is_read(tmp_path: Path) -> None:
    import random

    file = tmp_path / "model.gguf"
    file.write_bytes(mutations.gguf_file(random.Random(1), honest=True))
    expected = {name: field.contents() for name, field in gguf.GGUFReader(file).fields.items()}
    assert read_header(file).values.items() <= expected.items()


@pytest.mark.parametrize("name", ["../b.safetensors", "sub/b.safetensors", "link.safetensors"])
def test_an_index_names_files_of_its_folder_alone(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(LLAMA))
    save_file({"model.rotary_emb.inv_freq": torch.ones(8)}, tmp_path / "b.safetensors")
    (folder / "link.safetensors").symlink_to(tmp_path / "b.safetensors")
    index = {"weight_map": {"model.rotary_emb.inv_freq": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for read in (phasor.read, read_source):
        with pytest.raises(ArgumentError, match=r"outside"):
            read(folder)

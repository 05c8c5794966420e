"""The format, against the library that defines it."""

import json
import re
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from phasor._convert.tensor_file import Output, read_entries, write_tensors
from phasor.errors import ArgumentError

DTYPES = [
    torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn,
    torch.int64, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    st.tuples(SHAPES, st.sampled_from(DTYPES)),
    min_size=1,
    max_size=6,
)


def rewrite(source: Path, target: Path) -> None:
    entries, metadata = read_entries(source)
    outputs = [Output(entry.name, entry, lambda entry=entry: entry.pieces(7)) for entry in entries]
    sizes: list[int] = []
    write_tensors(target, outputs, metadata, sizes.append)
    assert sum(sizes) == sum(entry.size for entry in entries)


@given(tensors=TENSORS, metadata=st.dictionaries(st.text(max_size=4), st.text(max_size=4)))
@settings(deadline=None, max_examples=25)
def test_copied_piece_by_piece_is_what_the_library_wrote(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, tuple[tuple[int, ...], torch.dtype]],
    metadata: dict[str, str],
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    made = {name: torch.randint(0, 2, shape).to(dtype) for name, (shape, dtype) in tensors.items()}
    save_file(made, folder / "a.safetensors", metadata=metadata or None)
    rewrite(folder / "a.safetensors", folder / "b.safetensors")
    found = load_file(folder / "b.safetensors")
    assert found.keys() == made.keys()
    for name, tensor in made.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(*(x.reshape(-1).view(torch.uint8) for x in (found[name], tensor)))
    with safe_open(folder / "b.safetensors", "pt") as opened:
        assert (opened.metadata() or {}) == metadata
    # The bytes after the header are the very same.
    bodies = []
    for name in "ab":
        data = (folder / f"{name}.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        assert length % 8 == 0
        bodies.append(data[8 + length :])
    assert bodies[0] == bodies[1]


def header(about: object) -> bytes:
    text = about if isinstance(about, bytes) else json.dumps(about).encode()
    return struct.pack("<Q", len(text)) + text


WEIGHT = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 4,
        header(WEIGHT),
        header(WEIGHT) + b"\0" * 15,
        header(WEIGHT) + b"\0" * 17,
        header({"w": {**WEIGHT["w"], "data_offsets": [0, 2**62]}}),
        header({"w": {**WEIGHT["w"], "shape": [5]}}) + b"\0" * 16,
        header({"w": {**WEIGHT["w"], "dtype": "F33"}}) + b"\0" * 16,
        header([1, 2]),
        header(b"[" * 10_000),
        header(b'{"a":' * 10_000),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 101_000_000) + b"{}",
        b"PK\x03\x04 not safetensors at all",
    ],
    ids=range(14),
)
def test_damaged_files_are_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(ArgumentError, match=re.escape(f"{path} is not a whole safetensors file")):
        read_entries(path)


def test_a_missing_file_and_one_that_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(ArgumentError, match="is missing"):
        read_entries(path)
    save_file({"w": torch.zeros(1000)}, path)
    (entry,), _ = read_entries(path)
    with path.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(ArgumentError, match="became shorter while it was read"):
        list(entry.pieces())

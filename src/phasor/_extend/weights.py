"""Weights of a checkpoint written anew: streamed from its files where these hold them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from phasor._convert.tensor_file import Entry, Output, read_entries, write_tensors
from phasor._read.limits import read_json
from phasor._read.own_files import own_file
from phasor.errors import ArgumentError

_INDEX = "model.safetensors.index.json"
_WORDS = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_TYPES = {word: dtype for dtype, word in _WORDS.items()}


def files_of(path: Path) -> list[Path]:
    """The files of safetensors from which transformers loads the folder `path`; maybe none."""
    if (path / "model.safetensors").is_file():
        return [_own(path, "model.safetensors")]
    if (path / _INDEX).is_file():
        return [_own(path, name) for name in sorted(set(_index(path)["weight_map"].values()))]
    return []


def copy_weights(path: Path, folder: Path, changed: Mapping[str, Tensor], stale: int) -> None:
    """Write the weights of the folder `path` into `folder`, byte for byte but for those changed.

    Args:
        path: A folder for which `files_of` gives files.
        folder: To write to.
        changed: By their names in the model, which files may give with or without what comes
            before the last dots.
        stale: Where weights change, the length that they had: buffers of that length, masks and
            numbers of positions in old checkpoints, are left out. Models make them themselves.

    Raises:
        ArgumentError: A weight to be changed that the files do not have, or have twice.
        OSError: The disk refuses.
    """
    left = dict(changed)
    grown = 0
    for file in files_of(path):
        entries, metadata = read_entries(file)
        outputs = []
        for entry in entries:
            name = next((name for name in left if _same(entry.name, name)), None)
            if name is not None:
                outputs.append(_output(entry, left.pop(name)))
                grown += outputs[-1].entry.size - entry.size
            elif changed and entry.shape in ((1, stale), (1, 1, stale, stale)):
                grown -= entry.size
            else:
                outputs.append(Output(entry.name, entry, entry.pieces))
        write_tensors(folder / file.name, outputs, metadata, lambda _: None)
    if left:
        raise ArgumentError(f"the files of {path} have no weight called {next(iter(left))}")
    if (path / _INDEX).is_file() and not (path / "model.safetensors").is_file():
        index = _index(path)
        kept = {
            entry.name for file in files_of(path) for entry in read_entries(folder / file.name)[0]
        }
        index["weight_map"] = {k: v for k, v in index["weight_map"].items() if k in kept}
        if "total_size" in index.get("metadata", {}):
            index["metadata"]["total_size"] += grown
        (folder / _INDEX).write_text(json.dumps(index, indent=2) + "\n")


def save_weights(model: Any, folder: Path, stored: torch.dtype) -> torch.dtype:
    """Write the weights of `model` into `folder`, and give the type that they have there.

    That is `stored` where it loses nothing: weights that were trained in float32 keep it.
    """
    from safetensors import SafetensorError

    state = model.state_dict()
    if not all(torch.equal(weight.to(stored).to(weight), weight) for weight in state.values()):
        stored = torch.float32
    # Weights that are one stay one, by the place of their numbers.
    narrow = {weight.data_ptr(): weight.to(stored) for weight in state.values()}
    state = {name: narrow[weight.data_ptr()] for name, weight in state.items()}
    try:
        model.save_pretrained(folder, state_dict=state)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    return stored


def _index(path: Path) -> dict[str, Any]:
    return read_json(_own(path, _INDEX))


def _own(path: Path, name: str) -> Path:
    """A file of the folder by the name that it has there: a cache keeps it under another."""
    own_file(path, name)
    if Path(name).name != name:
        raise ArgumentError(f"{path} names {name!r}, which is not a file of its own")
    return path / name


def _same(written: str, name: str) -> bool:
    return written == name or written.endswith(f".{name}") or name.endswith(f".{written}")


def _output(entry: Entry, weight: Tensor) -> Output:
    dtype = _TYPES.get(entry.dtype, torch.float32)
    weight = weight.to("cpu", torch.float32)
    if not torch.equal(weight.to(dtype).float(), weight):
        dtype = torch.float32
    weight = weight.to(dtype).contiguous()
    size = weight.numel() * weight.element_size()
    about = replace(entry, dtype=_WORDS[dtype], shape=tuple(weight.shape), size=size)

    def pieces() -> Iterator[bytes]:
        yield weight.view(torch.uint8).numpy().tobytes()

    return Output(entry.name, about, pieces)

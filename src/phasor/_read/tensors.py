"""Frequencies that a checkpoint stores: read from its safetensors, never unpickled."""

import os
from collections.abc import Iterator
from pathlib import Path

from phasor._read.limits import MOST_SIZE, read_json
from phasor._read.notes import Notes
from phasor._read.own_files import own_file
from phasor.errors import ArgumentError

GAIN = "rotary_emb.alpha"
"""Mistral Large 4: the logarithm of a learned gain of each frequency."""

_WANTED = ("inv_freq", GAIN)


def stored_frequencies(folder: Path, notes: Notes) -> dict[str, tuple[float, ...]]:
    """Each tensor of one dimension whose name ends in `inv_freq` or `alpha`, by its name.

    Raises:
        ArgumentError: A file is cut off or no safetensors, or an index leads out of the folder.
    """
    found: dict[str, tuple[float, ...]] = {}
    left = MOST_SIZE
    for file in _files(folder, notes):
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError:
            notes.note("safetensors is not installed, so stored frequencies were not looked for")
            return {}
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118
                    shape = tensors.get_slice(name).get_shape()
                    if not name.endswith(_WANTED) or len(shape) != 1:
                        continue
                    left -= shape[0]
                    if left < 0:
                        raise notes.wrong(f"{file} stores more than {MOST_SIZE} frequencies")
                    found[name] = tuple(tensors.get_tensor(name).double().tolist())
        except (SafetensorError, OSError) as error:
            raise ArgumentError(f"{file} is no complete safetensors file: {error}") from None
    return found


def _files(folder: Path, notes: Notes) -> Iterator[Path]:
    single, index = "model.safetensors", "model.safetensors.index.json"
    if os.path.lexists(folder / single):
        yield own_file(folder, single)
    elif os.path.lexists(folder / index):
        named = read_json(own_file(folder, index)).get("weight_map", {})
        if not isinstance(named, dict):
            raise notes.wrong(f"{index}: weight_map must be an object")
        wanted = {str(file) for name, file in named.items() if name.endswith(_WANTED)}
        for name in sorted(wanted):
            if Path(name).name != name:
                raise notes.wrong(f"{index} names {name!r}, which is outside the folder")
            if os.path.lexists(folder / name):
                yield own_file(folder, name)

"""Real text, as bytes: the Python standard library of this machine, or the user's own."""

import hashlib
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from phasor.errors import ArgumentError

# Tests, tables of characters and tables of documentation: little like code that people write.
_LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "lib2to3", "site-packages", "dist-packages"}
    | {"encodings", "pydoc_data", "turtledemo", "ensurepip", "__pycache__"}
)
_LARGEST_FILE = 1 << 28
_HELD_OUT_SHARE = 0.1
_FEW_FILES = 20


@dataclass(frozen=True)
class Text:
    """Bytes to train on and bytes held out, in whole documents.

    Args:
        source: Where it came from, in words.
        split: How the held-out part was chosen, in words.
        train: Documents to train on.
        held_out: Documents to evaluate on; none of them is in `train`.
        sha256: Of all documents, in order, each preceded by its name and length.
    """

    source: str
    split: str
    train: tuple[bytes, ...]
    held_out: tuple[bytes, ...]
    sha256: str

    @property
    def num_bytes(self) -> int:
        """Bytes in all documents together."""
        return sum(map(len, self.train)) + sum(map(len, self.held_out))


def load_text(path: Path | None = None) -> Text:
    """Read the text of `path`, or of the standard library of the running Python.

    A file is held out if the hash of its name falls into the lowest tenth. With fewer than 20
    files that would be a lottery: then the last tenth of each is held out. Empty files are left
    out, and so are copies of a file.

    Args:
        path: A file, or a folder whose files are read in the order of their names, hidden ones
            left out.

    Raises:
        ArgumentError: Nothing there, nothing readable there, or no text in it.
    """
    if path is None:
        root = Path(sysconfig.get_paths()["stdlib"])
        files = [
            file
            for file in root.rglob("*.py")
            if not _LEFT_OUT.intersection(file.relative_to(root).parts)
        ]
        source = f"source of the Python {sysconfig.get_python_version()} standard library"
    elif path.is_dir():
        root, source = path, str(path)
        files = [
            file
            for file in path.rglob("*")
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(root).parts)
        ]
    elif path.is_file():
        root, source, files = path.parent, str(path), [path]
    else:
        raise ArgumentError(f"there is no text at {path}; pass a file or a folder of files")
    documents = {file.relative_to(root).as_posix(): _read(file) for file in files}
    # A copy of a document could otherwise be both trained on and held out.
    unique = {data: name for name, data in sorted(documents.items(), reverse=True) if data}
    documents = dict(sorted((name, data) for data, name in unique.items()))
    if not documents:
        raise ArgumentError(f"there is no text in {source}: every file is empty, or there is none")
    return _split(documents, source)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ArgumentError(
                f"{file} is larger than {_LARGEST_FILE >> 20} MiB; pass a part of it"
            )
        return file.read_bytes()
    except OSError as error:
        raise ArgumentError(f"cannot read {file}: {error.strerror}") from error


def _split(documents: dict[str, bytes], source: str) -> Text:
    digest = hashlib.sha256()
    train, held_out = [], []
    for name, data in documents.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
        if len(documents) < _FEW_FILES:
            cut = len(data) - int(len(data) * _HELD_OUT_SHARE)
            train.append(data[:cut])
            held_out.append(data[cut:])
        else:
            (held_out if _in_held_out_share(name) else train).append(data)
    few = len(documents) < _FEW_FILES
    split = "the last tenth of each file" if few else "one file in ten, by the hash of its name"
    return Text(source, split, tuple(train), tuple(held_out), digest.hexdigest())


def _in_held_out_share(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] < 256 * _HELD_OUT_SHARE


class Windows:
    """All windows of a given length that lie inside one document.

    Args:
        documents: Where they are cut from.
        length: Bytes in each window.

    Raises:
        ArgumentError: No document is that long.
    """

    def __init__(self, documents: Sequence[bytes], length: int) -> None:
        long_enough = [document for document in documents if len(document) >= length]
        if not long_enough:
            longest = max(map(len, documents), default=0)
            raise ArgumentError(
                f"the text is too small: a window takes {length} bytes of one document, and the "
                f"longest has {longest}; pass more text, or a shorter length"
            )
        self.length = length
        self._bytes = torch.frombuffer(bytearray(b"".join(long_enough)), dtype=torch.uint8)
        sizes = torch.tensor([len(document) for document in long_enough])
        choices = sizes - length + 1
        self._last_choice = choices.cumsum(0)
        # What to add to the number of a window to get to its first byte.
        self._offset = (sizes - choices).cumsum(0) - (sizes - choices)

    def __len__(self) -> int:
        return int(self._last_choice[-1])

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` windows, each equally likely, `[count, length]`, int64."""
        number = torch.randint(len(self), (count,), generator=generator)
        document = torch.searchsorted(self._last_choice, number, right=True)
        start = number + self._offset[document]
        return self._bytes[start[:, None] + torch.arange(self.length)].long()

"""Real text, as bytes: the Python standard library of this machine, or the user's own."""

import hashlib
import os
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.lab.html_text import html_text

# Tests, tables of characters and tables of documentation: little like code that people write.
_LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "lib2to3", "site-packages", "dist-packages"}
    | {"encodings", "pydoc_data", "turtledemo", "ensurepip", "__pycache__"}
)
_PAGES = frozenset({".html", ".htm"})
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


def load_text(path: Path | None = None, *, window: int = 1) -> Text:
    """Read the text of `path`, or of the standard library of the running Python.

    A file is held out if the hash of its name falls into the lowest tenth. Where that is a lottery,
    with fewer than 20 files or with no held-out file of `window` bytes, the last tenth of each is
    held out. Empty files are left out, and so are copies of a file.

    Args:
        path: A file, or a folder whose files are read in the order of their names, hidden ones
            left out. Of HTML files, the text alone.
        window: Bytes of the longest window that will be cut from a held-out file.

    Raises:
        ArgumentError: Nothing there, nothing readable there, or no text in it.
    """
    if path is None:
        root = Path(sysconfig.get_paths()["stdlib"])
        source = f"source of the Python {sysconfig.get_python_version()} standard library"
        files = [
            file
            for file in root.rglob("*.py")
            if not _LEFT_OUT.intersection(file.relative_to(root).parts)
        ]
    else:
        root, files = _files(path)
        source = os.fsencode(path).decode(errors="replace")
    documents = {file.relative_to(root).as_posix(): _read(file) for file in files}
    # A copy of a document could otherwise be both trained on and held out.
    unique = {data: name for name, data in sorted(documents.items(), reverse=True) if data}
    documents = dict(sorted((name, data) for data, name in unique.items()))
    if not documents:
        raise ArgumentError(f"there is no text in {source}: every file is empty, or there is none")
    return _split(documents, source, window)


def _files(path: Path) -> tuple[Path, list[Path]]:
    """The folder that names are relative to, and the files to read."""
    try:
        if not path.exists():
            raise ArgumentError(f"there is no text at {path}; pass a file or a folder of files")
        if path.is_file():
            return path.parent, [path]
        visible = (
            file
            for file in path.rglob("*")
            if not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        return path, [file for file in visible if file.is_file()]
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ArgumentError(
                f"{file} is larger than {_LARGEST_FILE >> 20} MiB; pass a part of it"
            )
        data = file.read_bytes()
    except OSError as error:
        raise ArgumentError(f"cannot read {file}: {error.strerror}") from error
    return html_text(data) if file.suffix.lower() in _PAGES else data


def _split(documents: dict[str, bytes], source: str, window: int) -> Text:
    digest = hashlib.sha256()
    for name, data in documents.items():
        digest.update(os.fsencode(name) + f"\0{len(data)}\0".encode() + data)
    if len(documents) >= _FEW_FILES:
        split = "one file in ten, by the hash of its name"
        train = tuple(d for name, d in documents.items() if not _in_held_out_share(name))
        held_out = tuple(d for name, d in documents.items() if _in_held_out_share(name))
        if train and any(len(document) >= window for document in held_out):
            return Text(source, split, train, held_out, digest.hexdigest())
    split = "the last tenth of each file"
    cuts = [(d, len(d) - int(len(d) * _HELD_OUT_SHARE)) for d in documents.values()]
    train = tuple(document[:cut] for document, cut in cuts)
    held_out = tuple(document[cut:] for document, cut in cuts)
    return Text(source, split, train, held_out, digest.hexdigest())


def _in_held_out_share(name: str) -> bool:
    return hashlib.sha256(os.fsencode(name)).digest()[0] < 256 * _HELD_OUT_SHARE


class Windows:
    """All windows of a given length that lie inside one document.

    Args:
        documents: Where they are cut from.
        length: Bytes in each window.
        what: What the documents are, for the error message.

    Raises:
        ArgumentError: No document is that long.
    """

    def __init__(self, documents: Sequence[bytes], length: int, *, what: str = "text") -> None:
        long_enough = [document for document in documents if len(document) >= length]
        if not long_enough:
            longest = max(map(len, documents), default=0)
            raise ArgumentError(
                f"the {what} is too small: a window takes {length} bytes of one document, and the "
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

"""Real text, as bytes: the Python standard library of this machine, or the user's own."""

import hashlib
import os
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from phasor._kit.html_text import html_text
from phasor._kit.text_bytes import as_utf8
from phasor.errors import ArgumentError

# Tests, tables of characters and tables of documentation: little like code that people write.
_LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "lib2to3", "site-packages", "dist-packages"}
    | {"encodings", "pydoc_data", "turtledemo", "ensurepip", "__pycache__"}
)
_PAGES = frozenset({".html", ".htm"})
_LARGEST_FILE = 1 << 28
_FIRST_LOOK = 1 << 16
_NAMED = 3
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
        left_out: What there is beside them and was not read, in a sentence; empty if nothing.
    """

    source: str
    split: str
    train: tuple[bytes, ...]
    held_out: tuple[bytes, ...]
    sha256: str
    left_out: str = ""

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
        path: A file, or a folder whose files are read in the order of their names. What is hidden,
            lies in `__pycache__` or is no text by its content is left out, and `left_out` says so.
            Of HTML files, the text alone.
        window: Bytes of the longest window that will be cut from a held-out file.

    Raises:
        ArgumentError: Nothing there, nothing readable there, or no text in it.
    """
    skipped = 0
    if path is None:
        root = Path(sysconfig.get_paths()["stdlib"])
        source = f"source of the Python {sysconfig.get_python_version()} standard library"
        files = [
            file
            for file in root.rglob("*.py")
            if not _LEFT_OUT.intersection(file.relative_to(root).parts)
        ]
    else:
        root, files, skipped = _files(path)
        source = _name(path)
    read = {file.relative_to(root).as_posix(): _read(file) for file in sorted(files)}
    documents = {name: data for name, data in read.items() if data is not None}
    left_out = _left_out([name for name, data in read.items() if data is None], skipped)
    # A copy of a document could otherwise be both trained on and held out.
    unique = {data: name for name, data in sorted(documents.items(), reverse=True) if data}
    documents = dict(sorted((name, data) for data, name in unique.items()))
    if not documents:
        why = left_out or "every file is empty, or there is none"
        raise ArgumentError(f"there is no text in {source}: {why}")
    return replace(_split(documents, source, window), left_out=left_out)


def _left_out(no_text: Sequence[str], skipped: int) -> str:
    parts = []
    if no_text:
        named = ", ".join(map(_printable, no_text[:_NAMED]))
        more = ", ..." if len(no_text) > _NAMED else ""
        parts.append(f"{_count(len(no_text))} not text ({named}{more})")
    if skipped:
        parts.append(f"{_count(skipped)} hidden or in __pycache__")
    return ", ".join(parts)


def _count(files: int) -> str:
    return "1 file is" if files == 1 else f"{files:,} files are"


def _name(path: Path | str) -> str:
    # A name may be no UTF-8.
    return os.fsencode(path).decode(errors="replace")


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in _name(name))


def _files(path: Path) -> tuple[Path, list[Path], int]:
    """The folder that names are relative to, the files to read, and how many are passed over."""
    try:
        if not path.exists():
            raise ArgumentError(f"there is no text at {path}; pass a file or a folder of files")
        if path.is_file():
            return path.parent, [path], 0
        files = [file for file in path.rglob("*") if file.is_file()]
        seen = [file for file in files if not any(map(_unseen, file.relative_to(path).parts))]
        return path, seen, len(files) - len(seen)
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error


def _unseen(part: str) -> bool:
    return part.startswith(".") or part == "__pycache__"


def _read(file: Path) -> bytes | None:
    """The text of a file in UTF-8; `None` if it is no text."""
    try:
        with file.open("rb") as opened:
            # Weights and archives may be of any size; a first look is enough for them.
            start = opened.read(_FIRST_LOOK)
            if as_utf8(start) is None:
                return None
            if os.fstat(opened.fileno()).st_size > _LARGEST_FILE:
                raise ArgumentError(
                    f"{file} is larger than {_LARGEST_FILE >> 20} MiB; pass a part of it"
                )
            text = as_utf8(start + opened.read())
    except OSError as error:
        raise ArgumentError(f"cannot read {file}: {error.strerror}") from error
    return html_text(text) if text is not None and file.suffix.lower() in _PAGES else text


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

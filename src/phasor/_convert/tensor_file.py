"""safetensors files, read and written piece by piece: no tensor needs to fit into memory.

The library maps a file into memory and writes whole tensors; both count as memory in use. It checks
the header here, and the bytes are read and written by offsets. The format is eight bytes with the
length of the header, the header in JSON, and the tensors' bytes without gaps.
"""

import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from phasor._read.regular_file import check_regular
from phasor.errors import ArgumentError
from phasor.installation import needs

_LENGTH = struct.Struct("<Q")
# At most this much of a tensor is in memory.
PIECE = 8 << 20


@dataclass(frozen=True)
class Entry:
    """A tensor in a file.

    Args:
        name: Its name there.
        file: The file.
        dtype: The format's word for it, such as `"BF16"`.
        shape: Its shape.
        start: Offset of its first byte in the file.
        size: Its bytes.
    """

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int

    def pieces(self, step: int = PIECE) -> Iterator[bytes]:
        """Its bytes, `step` at a time."""
        with self.file.open("rb", buffering=0) as file:
            file.seek(self.start)
            left = self.size
            while left:
                piece = file.read(min(step, left))
                while len(piece) < min(step, left):
                    more = file.read(min(step, left) - len(piece))
                    if not more:
                        raise ArgumentError(f"{self.file} became shorter while it was read")
                    piece += more
                left -= len(piece)
                yield piece


def read_entries(path: Path) -> tuple[list[Entry], dict[str, str]]:
    """The tensors of a file in the order of their bytes, and its metadata."""
    needs("safetensors", "reading checkpoints")
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise ArgumentError(f"{path} is missing")
    check_regular(path)
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
        with path.open("rb") as file:
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            header = json.loads(file.read(length))
    except SafetensorError as error:
        raise ArgumentError(
            f"{path} is not a whole safetensors file ({error}); fetch it again"
        ) from None
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror or error}") from None
    header.pop("__metadata__", None)
    entries = [
        Entry(
            name=name,
            file=path,
            dtype=about["dtype"],
            shape=tuple(about["shape"]),
            start=_LENGTH.size + length + about["data_offsets"][0],
            size=about["data_offsets"][1] - about["data_offsets"][0],
        )
        for name, about in header.items()
    ]
    return sorted(entries, key=lambda entry: (entry.start, entry.size)), metadata


@dataclass(frozen=True)
class Output:
    """A tensor to be written.

    Args:
        name: Its name in the new file.
        entry: Where dtype, shape and size come from.
        pieces: Makes its bytes, in order.
    """

    name: str
    entry: Entry
    pieces: Callable[[], Iterator[bytes]]


def write_tensors(
    path: Path,
    outputs: list[Output],
    metadata: dict[str, str],
    advance: Callable[[int], None],
) -> None:
    """Write a new safetensors file and wait until the disk has it.

    Args:
        path: The file; must not exist.
        outputs: Its tensors, in the order of their bytes.
        metadata: Pairs of strings for its header.
        advance: Told the number of bytes after each piece.
    """
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for output in outputs:
        header[output.name] = {
            "dtype": output.entry.dtype,
            "shape": list(output.entry.shape),
            "data_offsets": [offset, offset + output.entry.size],
        }
        offset += output.entry.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that tensors start where any dtype may
    with path.open("xb") as file:
        file.write(_LENGTH.pack(len(text)) + text)
        for output in outputs:
            for piece in output.pieces():
                file.write(piece)
                advance(len(piece))
        file.flush()
        os.fsync(file.fileno())

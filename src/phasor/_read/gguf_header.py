"""The header of a GGUF file, walked within the bytes that the file has.

The library takes every count and length in a header for true: it loops and allocates by them. Here
each is held against what is left of the file before anything is done with it.

The format is the word GGUF, a version, the numbers of tensors and of values, the values (each a
name, a type and what the type says), the tensors (each a name, its dimensions, a type and an
offset), and from the next aligned byte on their numbers.
"""

import math
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from phasor._read.fields import short
from phasor._read.regular_file import open_regular
from phasor.errors import ArgumentError
from phasor.installation import needs

MOST_HEADER = 64 << 20
"""Bytes; the largest vocabularies take a fifth of it."""
MOST_ITEMS = 2**22
"""Of an array."""
MOST_NAMES = 2**16
"""Values, and tensors."""
MOST_FREQUENCIES = 2**20

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_SCALARS |= {12: "d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_FLOATS = {"F32": "f", "F16": "e", "F64": "d"}
_MOST_DIMENSIONS = 8


@dataclass(frozen=True)
class Place:
    """A tensor of the file.

    Args:
        kind: The format's word for its numbers, such as `"F32"`.
        shape: As the file has it, the fastest axis first.
        start: Offset of the first byte in the file.
    """

    kind: str
    shape: tuple[int, ...]
    start: int

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What a GGUF file says before its numbers.

    Args:
        path: The file.
        order: Of its bytes, as `struct` writes it.
        values: By name; arrays are lists.
        tensors: By name.
    """

    path: Path
    order: str
    values: dict[str, Any]
    tensors: dict[str, Place]

    def floats(self, name: str) -> list[float] | None:
        """The numbers of a tensor, or `None` where there is no such tensor.

        Raises:
            ArgumentError: They are packed, or more than frequencies can be.
        """
        place = self.tensors.get(name)
        if place is None:
            return None
        if place.kind not in _FLOATS or place.count > MOST_FREQUENCIES:
            raise ArgumentError(
                f"{self.path}: {name} holds {place.count} numbers of type {place.kind}; at most "
                f"{MOST_FREQUENCIES} of {', '.join(_FLOATS)} are read"
            )
        layout = struct.Struct(f"{self.order}{place.count}{_FLOATS[place.kind]}")
        with open_regular(self.path) as file:
            file.seek(place.start)
            return list(map(float, layout.unpack(file.read(layout.size))))


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file, and check that each tensor lies within it.

    Raises:
        ArgumentError: No GGUF file, one that is cut off or says what cannot be, or the library is
            missing that knows the sizes of packed numbers.
    """
    needs("gguf", f"{path}: reading GGUF")
    from gguf.constants import GGML_QUANT_SIZES

    sizes = {int(kind): (kind.name, *size) for kind, size in GGML_QUANT_SIZES.items()}
    with open_regular(path) as file:
        walk = _Walk(file, path)
        try:
            return walk.header(sizes)
        except OSError as error:
            raise ArgumentError(f"{path} cannot be read: {error.strerror}") from None


class _Walk:
    """One pass over the header."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.size = file.seek(0, 2)
        self.at = file.seek(0)
        self.order = "<"

    def header(self, sizes: dict[int, tuple[str, int, int]]) -> Header:
        if self.take(4) != b"GGUF":
            raise self.wrong("it does not begin with GGUF")
        version = self.number("I")
        if version & 0xFFFF == 0:  # written on a machine of the other byte order
            self.order = ">"
            (version,) = struct.unpack(">I", struct.pack("<I", version))
        if version not in _VERSIONS:
            raise self.wrong(f"its version is {version}; 2 and 3 are read")
        tensors, values = (self.at_most(MOST_NAMES, what) for what in ("tensors", "values"))
        found: dict[str, Any] = {}
        for _ in range(values):
            name = self.name("value", found)
            found[name] = self.value(self.number("I"), name)
        places = {}
        for _ in range(tensors):
            name = self.name("tensor", places)
            places[name] = self.place(sizes, name)
        alignment = found.get("general.alignment", 32)
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            raise self.wrong(f"general.alignment must be a power of two, got {alignment!r}")
        start = -(-self.at // alignment) * alignment
        return Header(self.path, self.order, found, self.moved(places, start))

    def moved(self, places: dict[str, tuple[Place, int]], start: int) -> dict[str, Place]:
        for name, (place, num_bytes) in places.items():
            if start + place.start + num_bytes > self.size:
                raise self.wrong(f"it ends before the numbers of {short(name)} do")
        return {
            name: replace(place, start=start + place.start) for name, (place, _) in places.items()
        }

    def place(self, sizes: dict[int, tuple[str, int, int]], name: str) -> tuple[Place, int]:
        """A tensor, with its bytes; its start is counted from the end of the header."""
        dimensions = self.number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise self.wrong(f"{short(name)} has {dimensions} dimensions")
        shape = tuple(self.number("Q") for _ in range(dimensions))
        kind, offset = self.number("I"), self.number("Q")
        # Of a type that is newer than the library the bytes are not known.
        word, block, block_bytes = sizes.get(kind, (f"number {kind}", 1, 0))
        place = Place(word, shape, offset)
        return place, place.count // block * block_bytes

    def name(self, what: str, known: dict[str, Any]) -> str:
        name = self.string()
        if name in known:
            raise self.wrong(f"it has two {what}s called {short(name)}")
        return name

    def value(self, kind: int, name: str) -> Any:
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            raise self.wrong(f"{short(name)} has the unknown type {kind}")
        kind, count = self.number("I"), self.at_most(MOST_ITEMS, f"items of {short(name)}")
        if kind == _STRING:
            return [self.take(self.number("Q")).decode("utf-8", "replace") for _ in range(count)]
        if kind not in _SCALARS:
            raise self.wrong(
                f"{short(name)} is an array of type {kind}; arrays hold numbers or strings"
            )
        layout = struct.Struct(f"{self.order}{count}{_SCALARS[kind]}")
        return list(layout.unpack(self.take(layout.size)))

    def at_most(self, most: int, what: str) -> int:
        count = self.number("Q")
        if count > most:
            raise self.wrong(f"it says that there are {count} {what}; {most} can be read")
        return count

    def string(self) -> str:
        try:
            return self.take(self.number("Q")).decode("utf-8")
        except UnicodeDecodeError:
            raise self.wrong("it has a string that is no UTF-8") from None

    def number(self, code: str) -> Any:
        layout = struct.Struct(self.order + code)
        return layout.unpack(self.take(layout.size))[0]

    def take(self, count: int) -> bytes:
        self.at += count
        if self.at > min(self.size, MOST_HEADER):
            where = "its end" if self.size <= MOST_HEADER else f"the {MOST_HEADER >> 20} MB read"
            raise self.wrong(f"its header goes on past {where}")
        found = self.file.read(count)
        if len(found) < count:
            raise self.wrong("it became shorter while it was read")
        return found

    def wrong(self, sentence: str) -> ArgumentError:
        return ArgumentError(f"{self.path} is no complete GGUF file: {sentence}")

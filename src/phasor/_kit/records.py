"""Results on disk as they come in: one JSON line each, beside the setup that all of them share."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from phasor._kit.files import write_atomically
from phasor.errors import ArgumentError

Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class RecordKind(Generic[Record]):
    """What a file holds, and what to say of one that cannot be used.

    Args:
        file: Its name.
        read: Makes a record of the fields of a line.
        busy: Advice where another run has the folder open.
        present: Said of a folder that holds records already: `{folder}`, `{count}`.
        damaged: Advice for a file that cannot be read: `{folder}`.
        other: Said of a folder with another setup: `{folder}`, `{changes}`.
    """

    file: str
    read: Callable[[dict[str, Any]], Record]
    busy: str
    present: str
    damaged: str
    other: str


class Lines(Generic[Record]):
    """The records of one folder. Get one from `open_lines`.

    Args:
        file: Where they are.
        setup: What all of them have in common; goes into each line.
        records: Those that are there already.
    """

    def __init__(self, file: Path, setup: dict[str, Any], records: list[Record]) -> None:
        self.records = records
        self._file = file
        self._setup = setup

    def add(self, record: Record) -> None:
        """Put `record` on disk; it is safe there when this returns."""
        fields = asdict(record)  # type: ignore[call-overload]  # records are dataclasses
        line = json.dumps({"setup": self._setup, **fields}, allow_nan=False) + "\n"
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)


@contextmanager
def open_lines(
    kind: RecordKind[Record], folder: Path, setup: dict[str, Any], *, resume: bool
) -> Iterator[Lines[Record]]:
    """Open the records of `folder`, which is made if need be, for this process alone.

    A last line that a kill cut short is dropped: it never counted as finished.

    Args:
        kind: Of the records.
        folder: Where their file is, or will be.
        setup: What decides the outcome of every record, as plain JSON values.
        resume: Go on with the records that are there; without it there must be none.

    Raises:
        ArgumentError: The folder cannot be written, another run has it open, it holds records and
            `resume` is false, or it holds records of another setup.
    """
    setup = json.loads(json.dumps(setup))
    file = folder / kind.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
        # What is not UTF-8 was not written here: it fails as JSON, with the number of its line.
        content = file.read_bytes().decode(errors="replace") if file.exists() else ""
    except Timeout:
        raise ArgumentError(f"another run is writing to {folder}; {kind.busy}") from None
    except OSError as error:
        raise ArgumentError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with out="
        ) from error
    try:
        lines = content.splitlines(keepends=True)
        if lines and not resume:
            raise ArgumentError(kind.present.format(folder=folder, count=len(lines)))
        whole = lines[:-1] if lines and not lines[-1].endswith("\n") else lines
        found = [
            _parse(kind, line, number, file, setup) for number, line in enumerate(whole, start=1)
        ]
        if whole != lines:
            write_atomically(file, "".join(whole))
        yield Lines(file, setup, found)
    finally:
        lock.release()


def _parse(
    kind: RecordKind[Record], line: str, number: int, file: Path, setup: dict[str, Any]
) -> Record:
    try:
        fields = json.loads(line)
        before = fields.pop("setup")
        record = kind.read(fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArgumentError(
            f"{file} is damaged or was not written by this version of phasor (line {number}: "
            f"{error}); {kind.damaged.format(folder=file.parent)}"
        ) from error
    different = [key for key in {**before, **setup} if before.get(key) != setup.get(key)]
    if different:
        changes = ", ".join(
            f"{key} is {before.get(key)!r} there and {setup.get(key)!r} here" for key in different
        )
        raise ArgumentError(kind.other.format(folder=file.parent, changes=changes))
    return record

"""What has been measured, on disk: one JSON line for each measurement."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from phasor.errors import ArgumentError
from phasor.lab.files import write_atomically


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One pass of the model and what it gave.

    Args:
        kind: `"loss"`, `"cropped"` (the model as it is, with no more context than it was trained
            for) or `"passkey"`.
        candidate: Its name.
        document: Number of the document, or of the trial.
        length: Tokens read.
        depth: Of the passkey.
        values: Loss of each bin of positions in nats, or whether the key was found, 0 or 1.
        seconds: That it took.
    """

    kind: str
    candidate: str
    document: int
    length: int
    depth: float | None
    values: tuple[float, ...]
    seconds: float

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from the others."""
        return self.kind, self.candidate, self.document, self.length, self.depth


class Store:
    """The measurements of one folder. Get one from `open_store`."""

    def __init__(self, file: Path, setup: dict[str, Any], found: list[Measurement]) -> None:
        self.measurements = found
        self._file = file
        self._setup = setup

    def add(self, measurement: Measurement) -> None:
        """Put `measurement` on disk; it is safe there when this returns."""
        line = json.dumps({"setup": self._setup, **asdict(measurement)}, allow_nan=False) + "\n"
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.measurements.append(measurement)


@contextmanager
def open_store(folder: Path, setup: dict[str, Any], *, resume: bool) -> Iterator[Store]:
    """Open the measurements of `folder`, which is made if need be, for this process alone.

    Raises:
        ArgumentError: The folder cannot be written, another run has it open, or it holds
            measurements that cannot be gone on with.
    """
    setup = json.loads(json.dumps(setup))
    file = folder / "measurements.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
        file.touch()
        content = file.read_bytes().decode(errors="replace")
    except Timeout:
        raise ArgumentError(f"another run is writing to {folder}; wait for it") from None
    except OSError as error:
        raise ArgumentError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error
    try:
        lines = content.splitlines(keepends=True)
        if lines and not resume:
            raise ArgumentError(
                f"{folder} holds {len(lines)} measurements of a run that did not end; add --resume "
                "to go on with them, or delete that folder"
            )
        whole = [line for line in lines if line.endswith("\n")]
        found = [_parse(line, number, file, setup) for number, line in enumerate(whole, start=1)]
        if len(whole) < len(lines):
            write_atomically(file, "".join(whole))
        yield Store(file, setup, found)
    finally:
        lock.release()


def _parse(line: str, number: int, file: Path, setup: dict[str, Any]) -> Measurement:
    try:
        fields = json.loads(line)
        before = fields.pop("setup")
        measurement = Measurement(**fields | {"values": tuple(fields["values"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArgumentError(
            f"{file} is damaged or was not written by this version of phasor (line {number}: "
            f"{error}); delete {file.parent} and start anew"
        ) from error
    different = [key for key in {**before, **setup} if before.get(key) != setup.get(key)]
    if different:
        changes = ", ".join(
            f"{key} is {before.get(key)!r} there and {setup.get(key)!r} here" for key in different
        )
        raise ArgumentError(
            f"{file.parent} holds measurements of another run: {changes}; repeat with those, or "
            "choose another folder with --out"
        )
    return measurement

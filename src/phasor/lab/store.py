"""Finished trials on disk: one JSON line each, in `trials.jsonl`."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from phasor.errors import ArgumentError
from phasor.lab.files import write_atomically
from phasor.lab.trial import Trial


class TrialStore:
    """The trials of one folder. Get one from `open_store`.

    Args:
        file: `trials.jsonl`.
        setup: What all trials of the file must have in common; goes into each line.
        trials: Those that are there already.
    """

    def __init__(self, file: Path, setup: dict[str, Any], trials: list[Trial]) -> None:
        self.trials = trials
        self._file = file
        self._setup = setup

    def add(self, trial: Trial) -> None:
        """Put `trial` on disk; it is safe there when this returns."""
        line = json.dumps({"setup": self._setup, **asdict(trial)}, allow_nan=False) + "\n"
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.trials.append(trial)


@contextmanager
def open_store(folder: Path, setup: dict[str, Any], *, resume: bool) -> Iterator[TrialStore]:
    """Open the trials of `folder`, which is made if need be, for this process alone.

    A last line that a kill cut short is dropped: its trial never counted as finished.

    Args:
        folder: Where `trials.jsonl` is, or will be.
        setup: What decides the outcome of every trial, as plain JSON values.
        resume: Go on with the trials that are there; without it there must be none.

    Raises:
        ArgumentError: The folder cannot be written, another run has it open, it holds trials and
            `resume` is false, or it holds trials of another setup.
    """
    setup = json.loads(json.dumps(setup))
    file = folder / "trials.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
        # What is not UTF-8 was not written here: it fails as JSON, with the number of its line.
        content = file.read_bytes().decode(errors="replace") if file.exists() else ""
    except Timeout:
        raise ArgumentError(
            f"another run is writing to {folder}; wait for it, or choose another folder with --out"
        ) from None
    except OSError as error:
        raise ArgumentError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error
    try:
        lines = content.splitlines(keepends=True)
        if lines and not resume:
            raise ArgumentError(
                f"{folder} already holds {len(lines)} trials; add --resume to go on with them, or "
                "choose another folder with --out"
            )
        whole = lines[:-1] if lines and not lines[-1].endswith("\n") else lines
        trials = [_parse(line, number, file, setup) for number, line in enumerate(whole, start=1)]
        if whole != lines:
            write_atomically(file, "".join(whole))
        yield TrialStore(file, setup, trials)
    finally:
        lock.release()


def _parse(line: str, number: int, file: Path, setup: dict[str, Any]) -> Trial:
    try:
        fields = json.loads(line)
        before = fields.pop("setup")
        trial = Trial(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArgumentError(
            f"{file} is damaged or was not written by this version of phasor (line {number}: "
            f"{error}); choose another folder with --out"
        ) from error
    different = [key for key in {**before, **setup} if before.get(key) != setup.get(key)]
    if different:
        changes = ", ".join(
            f"{key} is {before.get(key)!r} there and {setup.get(key)!r} here" for key in different
        )
        raise ArgumentError(
            f"{file.parent} holds trials of another configuration: {changes}; repeat with the "
            "configuration of that folder, or choose another folder with --out"
        )
    return trial

"""Finished trials on disk: one JSON line each, in `trials.jsonl`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from phasor._compare.trial import Trial
from phasor._kit.records import Lines, RecordKind, open_lines

_TRIALS = RecordKind(
    file="trials.jsonl",
    read=lambda fields: Trial(**fields),
    busy="wait for it, or choose another folder with out=",
    present="{folder} already holds {count} trials; add resume=True to go on with them, or choose "
    "another folder with out=",
    damaged="choose another folder with out=",
    other="{folder} holds trials of another configuration: {changes}; repeat with the "
    "configuration of that folder, or choose another folder with out=",
)


class TrialStore:
    """The trials of one folder. Get one from `open_store`."""

    def __init__(self, lines: Lines[Trial]) -> None:
        self.trials = lines.records
        self.add = lines.add


@contextmanager
def open_store(folder: Path, setup: dict[str, Any], *, resume: bool) -> Iterator[TrialStore]:
    """Open the trials of `folder`; see `open_lines`."""
    with open_lines(_TRIALS, folder, setup, resume=resume) as lines:
        yield TrialStore(lines)

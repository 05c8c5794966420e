"""What has been measured, on disk: one JSON line for each measurement."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasor._kit.records import Lines, RecordKind, open_lines


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One pass of the model and what it gave.

    Args:
        kind: `"loss"`, `"cropped"` (the model as it is, with no more context than it was trained
            for), `"passkey"`, or `"embedding"` (of a model without a language-model head).
        candidate: Its name.
        document: Number of the document, or of the trial.
        length: Tokens read.
        depth: Of the passkey.
        values: Loss of each bin of positions in nats, whether the key was found, 0 or 1, or cosines
            of vectors.
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


def passkeys_found(
    candidate: str, measurements: Sequence[Measurement]
) -> dict[int, tuple[int, int]]:
    """By length, ascending: how many pass keys `candidate` found, of how many."""
    found: dict[int, tuple[int, int]] = {}
    for m in measurements:
        if (m.kind, m.candidate) == ("passkey", candidate):
            right, asked = found.get(m.length, (0, 0))
            found[m.length] = right + int(m.values[0]), asked + 1
    return dict(sorted(found.items()))


_MEASUREMENTS = RecordKind(
    file="measurements.jsonl",
    read=lambda fields: Measurement(**fields | {"values": tuple(fields["values"])}),
    busy="wait for it",
    present="{folder} holds {count} measurements of a run that did not end; add resume=True to "
    "go on with them, or delete that folder",
    damaged="delete {folder} and start anew",
    other="{folder} holds measurements of another run: {changes}; repeat with those, or choose "
    "another folder with out=",
)


class Store:
    """The measurements of one folder. Get one from `open_store`."""

    def __init__(self, lines: Lines[Measurement]) -> None:
        self.measurements = lines.records
        self.add = lines.add


@contextmanager
def open_store(folder: Path, setup: dict[str, Any], *, resume: bool) -> Iterator[Store]:
    """Open the measurements of `folder`; see `open_lines`. The file is there from the start."""
    with open_lines(_MEASUREMENTS, folder, setup, resume=resume) as lines:
        (folder / _MEASUREMENTS.file).touch()
        yield Store(lines)

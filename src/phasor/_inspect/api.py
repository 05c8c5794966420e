"""Looking at a model and at how two differ, as one call each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from phasor._inspect.inspect import Inspection
from phasor._inspect.inspect import inspect as look
from phasor._inspect.source import open_source
from phasor._kit.shown import Shown


@dataclass(frozen=True, repr=False)
class Differences(Shown):
    """How two models differ, a sentence each; true if they do."""

    sentences: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.sentences)

    def _parts(self) -> Iterator[str]:
        yield from self.sentences or ["No difference."]


def inspect(source: Any, *, length: int | None = None) -> Inspection:
    """Say what a model does to encode position, layer by layer, and what its numbers mean.

    Args:
        source: What `phasor.read` takes, a `PositionSpec`, or a file that its `to_json` wrote.
        length: Look at it for sequences of so many tokens; `None` for the longest that the model
            is meant for.

    Returns:
        Wavelengths, scaling, rounding, and what goes wrong with such models elsewhere.

    Raises:
        ArgumentError: Nothing there, or nothing that is understood.
    """
    opened = open_source(source)
    return look(opened.spec, length=length, config=opened.config, notes=opened.notes)


def diff(first: Any, second: Any) -> Differences:
    """Say how two models differ in how they encode position.

    Args:
        first: As `inspect` takes it.
        second: The other.

    Raises:
        ArgumentError: Nothing there, or nothing that is understood.
    """
    return Differences(tuple(open_source(first).spec.diff(open_source(second).spec)))

"""What those who watch an extension are told."""

from collections.abc import Callable
from dataclasses import dataclass

from phasor._extend.explain import Explanation, TableExplanation
from phasor._extend.plan import Task
from phasor._extend.store import Measurement
from phasor._kit.watching import Advanced, Begun


@dataclass(frozen=True)
class Explained:
    """The model is loaded, and its frequencies or its table are understood."""

    explanation: Explanation | TableExplanation


@dataclass(frozen=True)
class LeftOut:
    """Of the text, `what` was not read."""

    what: str


Event = Explained | LeftOut | Begun[Task] | Advanced[Task] | Measurement
"""A measurement is told when it is on disk."""

Watch = Callable[[Event], None]

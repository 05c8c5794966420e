"""The tasks by name."""

import difflib

from phasor.errors import ArgumentError
from phasor.lab.tasks.base import Batch as Batch
from phasor.lab.tasks.base import Recipe as Recipe
from phasor.lab.tasks.base import Task as Task
from phasor.lab.tasks.copying import Copying, Counting
from phasor.lab.tasks.language import LanguageModelling
from phasor.lab.text import Text

TASKS: dict[str, type[Task]] = {"lm": LanguageModelling, "copy": Copying, "count": Counting}


def look_up_task(name: str) -> type[Task]:
    """The task called `name`.

    Raises:
        ArgumentError: There is none; the message lists the names and suggests the nearest.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name.lower(), TASKS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ArgumentError(f"there is no task {name!r}.{hint} There are: {', '.join(TASKS)}")
    return TASKS[name]


def build_task(name: str, *, text: Text | None, train_length: int, max_length: int) -> Task:
    """Build the task called `name`.

    Args:
        name: One of `TASKS`.
        text: What language modelling reads; `None` for the tasks that make their own sequences.
        train_length: Longest sequence in training.
        max_length: Longest sequence that will be evaluated.

    Raises:
        ArgumentError: Unknown name, or a text without a document of `max_length`.
    """
    task = look_up_task(name)
    if task is LanguageModelling:
        assert text is not None
        return LanguageModelling(text, train_length=train_length, max_length=max_length)
    return task(train_length=train_length)  # type: ignore[call-arg]

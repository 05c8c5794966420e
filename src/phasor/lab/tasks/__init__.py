"""The tasks by name."""

from phasor.errors import unknown_name
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
        raise unknown_name("there is no task", name, list(TASKS))
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

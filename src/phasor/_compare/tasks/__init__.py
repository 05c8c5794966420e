"""The tasks by name."""

import inspect

from phasor._compare.tasks.adding import Adding, PlainAdding
from phasor._compare.tasks.base import Batch as Batch
from phasor._compare.tasks.base import Recipe as Recipe
from phasor._compare.tasks.base import Task as Task
from phasor._compare.tasks.copying import Copying, Counting, Reversing
from phasor._compare.tasks.induction import Induction
from phasor._compare.tasks.language import LanguageModelling
from phasor._compare.tasks.passkey import Passkey
from phasor._compare.tasks.recall import Recall
from phasor._compare.tasks.sorting import Sorting
from phasor._compare.tasks.summing import ModularSum, Parity
from phasor._kit.text import Text
from phasor.errors import unknown_name

TASKS: dict[str, type[Task]] = {
    "lm": LanguageModelling,
    "copy": Copying,
    "count": Counting,
    "reverse": Reversing,
    "sort": Sorting,
    "addition": Adding,
    "addition_plain": PlainAdding,
    "parity": Parity,
    "sum": ModularSum,
    "recall": Recall,
    "induction": Induction,
    "passkey": Passkey,
}


def look_up_task(name: str) -> type[Task]:
    """The task called `name`.

    Raises:
        ArgumentError: There is none; the message lists the names and suggests the nearest.
    """
    if name not in TASKS:
        raise unknown_name("there is no task", name, list(TASKS))
    return TASKS[name]


def build_task(name: str, *, text: Text | None, train_length: int, max_length: int) -> Task:
    """Build the task called `name`. It gets what its constructor has arguments for.

    Args:
        name: One of `TASKS`.
        text: What language modelling reads; `None` for the tasks that make their own sequences.
        train_length: Longest sequence in training.
        max_length: Longest sequence that will be evaluated.

    Raises:
        ArgumentError: Unknown name, a length that the task does not have, or a text without a
            document of `max_length`.
    """
    task = look_up_task(name)
    offered = {"text": text, "train_length": train_length, "max_length": max_length}
    wanted = inspect.signature(task).parameters
    return task(**{key: value for key, value in offered.items() if key in wanted})

"""From what a user names to what is run."""

from collections.abc import Iterable

from phasor.encodings.catalogue import CATALOGUE
from phasor.encodings.spelling import parse_spelling, split_spellings
from phasor.errors import ArgumentError
from phasor.lab.config import TrialConfig
from phasor.lab.tasks import TASKS, look_up_task

ALL = "all"


def encoding_names(text: str) -> list[str]:
    """The encodings of a list with commas, each as reports call it; `all` is the catalogue.

    Raises:
        ArgumentError: A name that does not exist, or a spelling that cannot be read.
    """
    return [parse_spelling(each).text for each in _expand(split_spellings(text), CATALOGUE)]


def task_names(text: str) -> list[str]:
    """The tasks of a list with commas; `all` is every task.

    Raises:
        ArgumentError: A name that does not exist, one named twice, or none.
    """
    names = _expand([name.strip() for name in text.split(",") if name.strip()], TASKS)
    for name in names:
        look_up_task(name)
    if not names or len(set(names)) != len(names):
        raise ArgumentError(f"name each task once, and at least one; got {', '.join(names) or '-'}")
    return names


def make_config(
    task: str,
    *,
    train_length: int | None,
    eval_factors: str | None,
    steps: int | None,
    batch_size: int | None,
    learning_rate: float,
    width: int,
    layers: int,
    heads: int,
    device: str,
) -> TrialConfig:
    """The configuration of `task`; what is `None` comes from its recipe.

    Args:
        task: Its name.
        train_length: Longest sequence in training.
        eval_factors: Lengths to evaluate at, as multiples of it with commas between.
        steps: Optimiser steps.
        batch_size: Sequences per step.
        learning_rate: See `TrialConfig`, as for the rest.
        width: Channels.
        layers: Blocks.
        heads: Heads per block.
        device: `"cpu"` or `"cuda"`.

    Raises:
        ArgumentError: Factors that are no numbers or below 1, or what `TrialConfig` refuses.
    """
    recipe = look_up_task(task).recipe
    length = recipe.train_length if train_length is None else train_length
    return TrialConfig(
        task=task,
        train_length=length,
        eval_lengths=_lengths(length, eval_factors, recipe.eval_factors),
        steps=recipe.steps if steps is None else steps,
        batch_size=recipe.batch_size if batch_size is None else batch_size,
        learning_rate=learning_rate,
        width=width,
        layers=layers,
        heads=heads,
        device=device,
    )


def _lengths(train_length: int, factors: str | None, default: tuple[float, ...]) -> tuple[int, ...]:
    try:
        numbers = default if factors is None else tuple(map(float, factors.split(",")))
    except ValueError:
        raise ArgumentError(
            f"--eval-factors takes numbers separated by commas, got {factors!r}; try 1,2,4,8"
        ) from None
    if any(not 1 <= number < 1e6 for number in numbers):
        raise ArgumentError(
            f"--eval-factors are multiples of the training length, at least 1, got {factors!r}"
        )
    return tuple(sorted({train_length, *(round(number * train_length) for number in numbers)}))


def _expand(names: list[str], known: Iterable[str]) -> list[str]:
    return [each for name in names for each in (known if name == ALL else [name])]

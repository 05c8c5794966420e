"""From what a user names to what is run."""

from collections.abc import Iterable, Sequence

from phasor._compare.config import TrialConfig
from phasor._compare.options import Options
from phasor._compare.tasks import TASKS, look_up_task
from phasor._options import listed
from phasor.encodings.catalogue import CATALOGUE
from phasor.encodings.spelling import parse_spelling, split_spellings
from phasor.errors import ArgumentError

ALL = "all"


def encoding_names(names: str | Sequence[str]) -> list[str]:
    """The encodings named, or listed with commas, each as reports call it; `all`: the catalogue.

    Raises:
        ArgumentError: A name that does not exist, or a spelling that cannot be read.
    """
    given = split_spellings(names) if isinstance(names, str) else list(names)
    return [parse_spelling(each).text for each in _expand(given, CATALOGUE)]


def task_names(names: str | Sequence[str]) -> list[str]:
    """The tasks named, or listed with commas; `all` is every task.

    Raises:
        ArgumentError: A name that does not exist, one named twice, or none.
    """
    names = _expand([name for name in listed(names) if name], TASKS)
    for name in names:
        look_up_task(name)
    if not names or len(set(names)) != len(names):
        raise ArgumentError(f"name each task once, and at least one; got {', '.join(names) or '-'}")
    return names


def make_config(task: str, options: Options, device: str) -> TrialConfig:
    """The configuration of `task` by `options`; what is `None` comes from its recipe.

    Raises:
        ArgumentError: Factors that are no numbers or below 1, or what `TrialConfig` refuses.
    """
    recipe = look_up_task(task).recipe
    length = recipe.train_length if options.train_length is None else options.train_length
    return TrialConfig(
        task=task,
        train_length=length,
        eval_lengths=_lengths(length, options.eval_factors, recipe.eval_factors),
        steps=recipe.steps if options.steps is None else options.steps,
        batch_size=recipe.batch_size if options.batch_size is None else options.batch_size,
        learning_rate=options.learning_rate,
        width=options.width,
        layers=options.layers,
        heads=options.heads,
        device=device,
    )


def _lengths(
    train_length: int, factors: str | Sequence[float] | None, default: tuple[float, ...]
) -> tuple[int, ...]:
    given = factors.split(",") if isinstance(factors, str) else factors
    try:
        numbers = default if given is None else tuple(map(float, given))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"eval_factors= takes numbers separated by commas, got {factors!r}; try 1,2,4,8"
        ) from None
    if any(not 1 <= number < 1e6 for number in numbers):
        raise ArgumentError(
            f"eval_factors= are multiples of the training length, at least 1, got {factors!r}"
        )
    return tuple(sorted({train_length, *(round(number * train_length) for number in numbers)}))


def _expand(names: list[str], known: Iterable[str]) -> list[str]:
    return [each for name in names for each in (known if name == ALL else [name])]

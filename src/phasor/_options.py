"""The options of a verb, stated once: the fields of a frozen dataclass.

From them come the keywords of its function in Python and the options of its command.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import update_wrapper
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

Keywords = ParamSpec("Keywords")
Options = TypeVar("Options")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Option:
    """What is said of a field, as `Annotated[int, Option("...")]`; one without is for Python alone.

    Args:
        help: In a sentence or two; other options as `name=`, `name=True` or `name='value'`.
        panel: Of the command's help.
        default: In words, where the value says too little.
        least: The least that the command takes.
        metavar: What the value is called in the command's help.
    """

    help: str
    panel: str | None = None
    default: str | None = None
    least: int | None = None
    metavar: str | None = None


def stated(options: type) -> dict[str, tuple[Any, Option]]:
    """The kind of each field of `options` that has an `Option`, and that."""
    hints = get_type_hints(options, include_extras=True)
    found = {}
    for field in fields(options):
        if get_origin(hints[field.name]) is Annotated:
            kind, option = get_args(hints[field.name])
            found[field.name] = (kind, option)
    return found


def taking(
    options: Callable[Keywords, Options],
) -> Callable[[Callable[[Options], Result]], Callable[Keywords, Result]]:
    """Make a function of `options` one of their fields, which checkers and `help` see."""

    def decorate(run: Callable[[Options], Result]) -> Callable[Keywords, Result]:
        def verb(*args: Keywords.args, **kwargs: Keywords.kwargs) -> Result:
            return run(options(*args, **kwargs))

        update_wrapper(verb, run)
        signature = inspect.signature(options)
        returns = inspect.signature(run).return_annotation
        verb.__signature__ = signature.replace(return_annotation=returns)  # type: ignore[attr-defined]
        assert isinstance(options, type)
        arguments = [f"    {name}: {option.help}" for name, (_, option) in stated(options).items()]
        before, raises, after = (run.__doc__ or "").partition("\n    Returns:")
        lines = "\n".join("    " + line for line in arguments)
        verb.__doc__ = f"{before.rstrip()}\n\n    Args:\n{lines}\n{raises}{after}"
        return verb

    return decorate


def as_command(text: str, options: type) -> str:
    """`text` with the arguments that it names as the command has them: `out=` as `--out`."""
    names = "|".join(field.name for field in fields(options))
    value = r"True|False|'[^']*'|\"[^\"]*\""
    return re.sub(rf"(?<![^\s(])({names})=({value})?(?=[\s,;:.)]|$)", _flag, text)


def flag(name: str) -> str:
    """The option of the command for the argument `name`."""
    return "--" + name.replace("_", "-")


def _flag(found: re.Match[str]) -> str:
    name, value = found.groups()
    if value == "False":
        return flag(f"no_{name}")
    return flag(name) + (f" {value[1:-1]}" if value not in (None, "True") else "")


def listed(names: str | Sequence[str]) -> list[str]:
    """Several names, or one string with commas between."""
    return [each.strip() for each in names.split(",")] if isinstance(names, str) else list(names)


def chosen_device(name: str) -> str:
    """`name`, or for `auto` what there is.

    Raises:
        ArgumentError: Another name, or no GPU.
    """
    import torch

    from phasor.errors import ArgumentError

    if name not in ("auto", "cpu", "cuda"):
        raise ArgumentError(f"device= must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("device='cuda': PyTorch finds no CUDA device here; use device='cpu'")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name

"""What the verbs share: the command itself, its options, how it fails."""

import inspect
import types
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin

import typer
from rich.console import Console

from phasor import __version__
from phasor._kit.say import say
from phasor._options import Option, as_command, flag, stated
from phasor.errors import PhasorError

Options = TypeVar("Options")

app = typer.Typer(
    name="phasor",
    help="Position encodings of Transformers: compare them, look at them, put them to work.",
    epilog="Start here: phasor compare",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

USAGE_ERROR, FAILURE, INTERRUPTED = 2, 1, 130


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"phasor {__version__}")
        raise typer.Exit


@app.callback()
def _phasor(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def command(
    options: Callable[..., Options], epilog: str, **more: Option
) -> Callable[[Callable[..., None]], None]:
    """Make a verb of the command that takes the fields of `options`.

    Args:
        options: The dataclass.
        epilog: Stands below the help.
        more: Flags that are not among them; the verb takes each by name.
    """
    assert isinstance(options, type)
    given = {field.name: field for field in fields(options)}
    parameters = [
        _parameter(
            name, kind, option, options, given[name].default, positional=not given[name].kw_only
        )
        for name, (kind, option) in stated(options).items()
    ]
    parameters += [_parameter(name, bool, option, options, False) for name, option in more.items()]

    def decorate(verb: Callable[..., None]) -> None:
        def run(**values: Any) -> None:
            flags = {name: values.pop(name) for name in more}
            verb(options(**values), **flags)

        run.__name__, run.__doc__ = verb.__name__, verb.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(epilog=epilog)(run)

    return decorate


def _parameter(
    name: str, kind: Any, option: Option, options: type, default: Any, *, positional: bool = False
) -> inspect.Parameter:
    """A parameter as Typer reads it."""
    how: dict[str, Any] = {"help": as_command(option.help, options)}
    if option.default is not None or default in (MISSING, None, False):
        how["show_default"] = option.default or False
    if positional:
        info: Any = typer.Argument(**how)
    else:
        # A flag is either given or left out; of one that may be None, both ways are said.
        names = [flag(name.removeprefix("as_"))] if default is False else []
        panel = {"rich_help_panel": option.panel, "metavar": option.metavar, "min": option.least}
        info = typer.Option(*names, **how, **panel)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[_typed(kind), info],  # type: ignore[valid-type]
    )


def _typed(kind: Any) -> Any:
    """What the command reads for a field: a path, a number, a flag, or else a string."""
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    found = Path if Path in kinds else next((k for k in kinds if k in (bool, int, float)), str)
    return found | None if type(None) in kinds else found


@contextmanager
def failing(options: type, kept: str = "") -> Iterator[None]:
    """Say in a sentence what went wrong within, and end the command.

    Args:
        options: Those of the verb, which errors name as arguments.
        kept: Said after it, of what is left where it was no mistake in the options.
    """
    try:
        yield
    except PhasorError as error:
        fail(as_command(str(error), options), status=USAGE_ERROR)
    except OSError as error:
        fail(f"{error}{kept}", status=FAILURE)
    except KeyboardInterrupt:
        fail(f"stopped{kept}", status=INTERRUPTED)


def open_page(page: Path) -> None:
    """Open it in a browser; where there is none, say where it is and fail."""
    if not webbrowser.open(page.as_uri()):
        fail(f"no browser was found; open {page} in one", status=FAILURE)


def fail(message: str, *, status: int) -> NoReturn:
    """Say so on standard error and end with `status`."""
    say(Console(stderr=True), f"Error: {message}", whole=True, style="red")
    raise typer.Exit(status)

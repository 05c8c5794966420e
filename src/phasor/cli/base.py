"""What the verbs share: the command itself, how it fails, where it runs."""

from typing import Annotated, NoReturn

import typer
from rich.console import Console

from phasor import __version__
from phasor.errors import ArgumentError

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


def chosen_device(name: str) -> str:
    """`name`, or for `auto` what there is."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise ArgumentError(f"--device must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("--device cuda: PyTorch finds no CUDA device here; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def fail(message: str, *, status: int) -> NoReturn:
    """Say so on standard error and end with `status`."""
    Console(stderr=True).print(
        f"Error: {message}", style="red", soft_wrap=True, highlight=False, markup=False
    )
    raise typer.Exit(status)

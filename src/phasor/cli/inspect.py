"""`phasor inspect` and `phasor diff`: thin; the work is in `phasor._inspect`."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from phasor._kit.say import say
from phasor.cli.base import FAILURE, USAGE_ERROR, app, fail
from phasor.errors import ArgumentError, PhasorError

if TYPE_CHECKING:
    from phasor.spec import PositionSpec

_SOURCE = "A model's folder, its config.json, or a spec as to_json wrote it."


@app.command(epilog="Example: phasor inspect path/to/model --length 131072 --html look.html")
def inspect(
    source: Annotated[Path, typer.Argument(help=_SOURCE, show_default=False)],
    length: Annotated[
        int | None,
        typer.Option(
            help="Look at it for sequences of so many tokens.",
            show_default="the longest that the model is meant for",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="File for a page with pictures.", show_default="none")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_target: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="TARGET",
            help="Print what to pass to hf, vllm, llama.cpp, ollama, megatron or mlx, alone.",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Say what a model does to encode position, layer by layer, and what its numbers mean.

    Wavelengths against the trained context, what the scaling does, how far the
    model reaches, how angles are rounded, and what goes wrong with such models
    elsewhere, with references.
    """
    from phasor._inspect.api import inspect as look

    console = Console(stderr=as_json)
    try:
        if as_target is not None:
            from phasor._inspect.source import open_source

            _print_as(open_source(source).spec, as_target)
            return
        inspection = look(source, length=length)
        if html is not None and (html.is_dir() or not os.access(html.parent, os.W_OK)):
            raise ArgumentError(
                f"--html {html} cannot be written; name a file in a folder that can"
            )
        if html is not None:
            from phasor._inspect.page import render_page
            from phasor._kit.files import write_atomically

            write_atomically(html, render_page(inspection))
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    except OSError as error:
        where = html or error.filename
        fail(f"{where} cannot be written: {error.strerror or error}", status=FAILURE)
    if as_json:
        typer.echo(json.dumps(inspection.as_json(), indent=1, allow_nan=False))
    else:
        inspection.show(console)
    if html is not None:
        say(console, f"\nPage: {html} (open it in a browser)", whole=True)


def _print_as(spec: "PositionSpec", target: str) -> None:
    from phasor.spec._targets.text import as_text

    text, note = as_text(spec, target)
    typer.echo(text)
    if note is not None:
        typer.echo(note, err=True)


@app.command(epilog="Example: phasor diff llama-3.1-8b/config.json llama-3.2-1b/config.json")
def diff(
    first: Annotated[Path, typer.Argument(help=_SOURCE, show_default=False)],
    second: Annotated[Path, typer.Argument(help="The same.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how two models differ in how they encode position. Exit status 1 if they do."""
    from phasor._inspect.api import diff as differences

    try:
        found = differences(first, second)
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    if as_json:
        typer.echo(json.dumps({"differences": found.sentences}, indent=1))
    else:
        found.show(Console())
    raise typer.Exit(1 if found else 0)

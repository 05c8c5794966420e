"""`phasor explain`: thin; the work is in `phasor._explain`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from phasor.cli.base import FAILURE, USAGE_ERROR, app, fail, open_page
from phasor.errors import PhasorError


@app.command(epilog="Example: phasor explain 'rotary(base=500000)'")
def explain(
    what: Annotated[
        str,
        typer.Argument(
            help="An encoding (see phasor encodings), a scaling such as yarn, a word such as "
            "position, or a model's folder, config.json or GGUF file.",
            show_default=False,
        ),
    ],
    html: Annotated[
        bool, typer.Option("--html", help="Open the chapter that tells more in a browser.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what an encoding does: in plain words, as a formula, in a picture, as measured.

    Of a checkpoint, what its own layers have.
    """
    from phasor._explain.api import explain as run

    try:
        explained = run(what)
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    if html:
        _open(explained.parts[0].chapter)
    elif as_json:
        typer.echo(json.dumps(explained.as_json(), indent=1, allow_nan=False))
    else:
        explained.show(Console())


def _open(name: str) -> None:
    from phasor._explain.chapters import TITLES, chapter

    page = chapter(name)
    if page is None:
        fail(
            f"the chapter {TITLES[name]!r} is not in this installation; wheels of torch-phasor "
            "bring it, and in a checkout phasor docs builds it",
            status=FAILURE,
        )
    typer.echo(f"Page: {page}")
    open_page(page)

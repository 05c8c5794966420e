"""`phasor check`: thin; the work is in `phasor._check`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from phasor.cli.base import FAILURE, INTERRUPTED, USAGE_ERROR, app, fail
from phasor.errors import PhasorError


@app.command(epilog="Example: phasor check path/to/model && echo sound")
def check(
    folder: Annotated[Path, typer.Argument(help="A model of transformers: config and weights.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a model, and say whether it handles position as it should. Exit status 1 if it does not.

    Its angles against exact ones up to a million tokens; decoding with a cache,
    left padding and packing, which must not change its answers; and what casting
    does to its frequencies.
    """
    from phasor._check.run import check as run

    try:
        checked = run(folder)
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    except KeyboardInterrupt:
        fail("stopped", status=INTERRUPTED)
    if as_json:
        found = [dataclasses.asdict(result) for result in checked.results]
        typer.echo(json.dumps({"passed": checked.passed, "checks": found}, indent=1))
    else:
        checked.show(Console())
    raise typer.Exit(0 if checked else FAILURE)

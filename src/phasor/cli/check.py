"""`phasor check`: thin; the work is in `phasor.check`."""

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
    from phasor.check.result import has_passed
    from phasor.check.run import check_folder
    from phasor.check.screen import print_results

    try:
        results = check_folder(folder)
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    except KeyboardInterrupt:
        fail("stopped", status=INTERRUPTED)
    passed = has_passed(results)
    if as_json:
        found = [dataclasses.asdict(result) for result in results]
        typer.echo(json.dumps({"passed": passed, "checks": found}, indent=1))
    else:
        print_results(str(folder), results, Console())
    raise typer.Exit(0 if passed else FAILURE)

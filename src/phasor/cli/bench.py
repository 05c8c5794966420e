"""`phasor bench`: thin; the work is in `phasor._bench`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from phasor._bench.options import Options, make_plan
from phasor._options import Option
from phasor.cli.base import command, failing
from phasor.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class _WithFile(Options):
    out: Annotated[Path | None, Option("File for the JSON.")] = None


@command(
    _WithFile,
    "Example: phasor bench --shapes A,2x16x1024x64 --against transformers,llama",
    as_json=Option("Print JSON."),
)
def bench(options: _WithFile, *, as_json: bool) -> None:
    """Time the rotation against other libraries, after checking that each is right.

    Lists are separated by commas. Libraries that are installed are found.
    A wrong result is not timed. With no options: about a minute on two cores.
    """
    from phasor._bench.progress import shown_on
    from phasor._bench.run import run
    from phasor._kit.files import write_atomically

    console, out = Console(stderr=as_json), options.out
    with failing(_WithFile, "; nothing was written"):
        plan = make_plan(options)
        if out is not None and (out.is_dir() or not os.access(out.parent, os.W_OK)):
            raise ArgumentError(f"--out {out} cannot be written; name a file in a folder that can")
        with shown_on(console, plan.num_cases) as watch:
            results = run(plan, watch)
        text = json.dumps(results.as_json(), indent=1, allow_nan=False)
        if out is not None:
            write_atomically(out, text + "\n")
    if as_json:
        typer.echo(text)
    results.show(console)

"""`phasor bench`: thin; the work is in `phasor.bench`."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from phasor.cli.base import FAILURE, INTERRUPTED, USAGE_ERROR, app, chosen_device, fail
from phasor.errors import ArgumentError, PhasorError


@app.command(epilog="Example: phasor bench --shapes A,2x16x1024x64 --against transformers,llama")
def bench(
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    shapes: Annotated[
        str,
        typer.Option(
            help="A (prefill), B (training), C (decoding), or batch x heads x tokens x head_dim: "
            "2x16x1024x64, with fewer key heads 1x32+8x4096x128."
        ),
    ] = "A,B,C",
    against: Annotated[str, typer.Option(help="all, none, or names of libraries.")] = "all",
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16, float16, float64.")
    ] = "float32,bfloat16",
    layout: Annotated[str, typer.Option(help="Which channels pair.")] = "half,interleaved",
    threads: Annotated[int, typer.Option(help="Of the CPU. One is timed best.")] = 1,
    rounds: Annotated[int, typer.Option(help="How often each has its turn.")] = 5,
    backward: Annotated[bool, typer.Option("--backward", help="Time gradients too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="File for the JSON.")] = None,
) -> None:
    """Time the rotation against other libraries, after checking that each is right.

    Lists are separated by commas. Libraries that are installed are found.
    A wrong result is not timed. With no options: about a minute on two cores.
    """
    from phasor.bench.options import make_plan
    from phasor.bench.run import run
    from phasor.bench.screen import Screen
    from phasor.bench.table import case_notes, case_table, summary
    from phasor.lab.files import write_atomically

    console = Console(stderr=as_json)
    try:
        plan = make_plan(
            device=chosen_device(device), shapes=shapes, against=against, dtype=dtype,
            layout=layout, threads=threads, rounds=rounds, backward=backward,
        )  # fmt: skip
        if out is not None and (out.is_dir() or not os.access(out.parent, os.W_OK)):
            raise ArgumentError(f"--out {out} cannot be written; name a file in a folder that can")
        with Screen(console, plan.num_cases) as screen:
            results = run(plan, screen)
        text = json.dumps(results.as_json(), indent=1, allow_nan=False)
        if out is not None:
            write_atomically(out, text + "\n")
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    except OSError as error:
        fail(str(error), status=FAILURE)
    except KeyboardInterrupt:
        fail("stopped; nothing was written", status=INTERRUPTED)
    if as_json:
        typer.echo(text)
    for case in results.cases:
        console.print(case_table(case))
        for note in case_notes(case):
            console.print(note, style="dim", highlight=False, markup=False)
        console.print()
    for line in summary(results):
        console.print(line, soft_wrap=not console.is_terminal, highlight=False, markup=False)

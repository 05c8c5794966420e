"""`phasor extend`: thin; the work is in `phasor._extend`."""

import json

import typer
from rich.console import Console

from phasor._extend.options import Options
from phasor._kit.say import say
from phasor._options import Option, as_command
from phasor.cli.base import command, failing


@command(
    Options,
    "Example: phasor extend path/to/model --to 16384 --out longer --budget 45",
    as_json=Option("Print all numbers as JSON.", "Where"),
)
def extend(options: Options, *, as_json: bool) -> None:
    """Measure how a model can be given a longer context, and write it with what loses least.

    Explains what its frequencies mean for the length, then measures each method
    on the same documents: loss by position, and whether a pass key is still
    found. PATH is never touched.
    """
    from phasor._extend.progress import shown_on
    from phasor._extend.run import run

    console, out = Console(stderr=as_json), options.out
    kept = "" if out is None else f"; what was measured is kept: go on with --resume --out {out}"
    with failing(Options, kept), shown_on(console) as watch:
        result = run(options, watch)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=1, allow_nan=False))
    result.show(console, lambda text: as_command(text, Options))
    trained = any(name.endswith("-finetuned") for name in result.methods)
    if options.finetune and not trained:
        console.print("Nothing was trained, since what to train was not settled within the budget.")
    if out is None:
        console.print("Next: the same with --out DIR writes the checkpoint.", highlight=False)
        return
    what = "Checkpoint and report" if result.verdict.written else "Report, no checkpoint"
    say(console, f"\n{what}: {out} (open report.html in a browser)", whole=True)

"""`phasor extend`: thin; the work is in `phasor.extension`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from phasor.cli.base import FAILURE, INTERRUPTED, USAGE_ERROR, app, chosen_device, fail
from phasor.errors import PhasorError

_WHAT, _HOW_MUCH, _WHERE = "What to try", "Budget", "Where"


@app.command(epilog="Example: phasor extend path/to/model --to 16384 --out longer --budget 45")
def extend(
    path: Annotated[
        Path, typer.Argument(help="A checkpoint folder, or a GGUF file.", show_default=False)
    ],
    to: Annotated[int, typer.Option(help="Tokens that are wanted.", show_default=False)],
    methods: Annotated[
        str,
        typer.Option(
            help="none, linear, ntk, dynamic_ntk, yarn, llama3, several with commas; or auto: all "
            "of these (longrope has factors to find, so --search adds it). Of a learned table: "
            "none, interpolate.",
            rich_help_panel=_WHAT,
        ),
    ] = "auto",
    search: Annotated[
        bool,
        typer.Option(
            "--search",
            help="Also tune yarn, the base, and each pair, on text that is not measured.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    finetune: Annotated[
        int,
        typer.Option(
            metavar="STEPS",
            min=0,
            help="Train what loses least (LoRA), beside the budget.",
            show_default="none",
            rich_help_panel=_WHAT,
        ),
    ] = 0,
    text: Annotated[
        Path | None,
        typer.Option(
            help="File or folder with documents at least as long as --to.",
            show_default="source of the Python standard library",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    documents: Annotated[
        int,
        typer.Option(
            help="To measure on, at most; of fewer than 4 little can be told.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 8,
    passkeys: Annotated[
        int,
        typer.Option(help="Prompts of each length and depth; 0: none.", rich_help_panel=_HOW_MUCH),
    ] = 1,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Minutes; what would not end within them is left out.",
            show_default="as long as it takes",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the checkpoint and report.html; must not exist but for --resume.",
            show_default="none: measure only",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_WHERE)
    ] = "auto",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the run at --out: after a kill, or with more budget or documents.",
            rich_help_panel=_WHERE,
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all numbers as JSON.", rich_help_panel=_WHERE)
    ] = False,
) -> None:
    """Measure how a model can be given a longer context, and write it with what loses least.

    Explains what its frequencies mean for the length, then measures each method
    on the same documents: loss by position, and whether a pass key is still
    found. PATH is never touched.
    """
    from phasor.extension.run import extend as run
    from phasor.extension.screen import ConsoleScreen, verdict_table

    console = Console(stderr=as_json)
    kept = f"; what was measured is kept: go on with --resume --out {out}" * (out is not None)
    try:
        result = run(
            path,
            to=to,
            methods=[name.strip() for name in methods.split(",")],
            tune=search,
            finetune=finetune,
            text=text,
            out=out,
            documents=documents,
            passkeys=passkeys,
            budget=None if budget is None else 60 * budget,
            device=chosen_device(device),
            resume=resume,
            screen=ConsoleScreen(console),
        )
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    except OSError as error:
        fail(f"{error}{kept}", status=FAILURE)
    except KeyboardInterrupt:
        fail(f"stopped{kept}", status=INTERRUPTED)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=1, allow_nan=False))
    console.print()
    if result.verdict.findings:
        console.print(verdict_table(result.verdict))
    soft = not console.is_terminal
    console.print(result.verdict.sentence, soft_wrap=soft, highlight=False, markup=False)
    if not result.complete:
        more = "" if out is None else f": --resume --out {out} goes on"
        console.print(
            f"The budget ended before all was measured{more}.",
            soft_wrap=soft,
            highlight=False,
            markup=False,
        )
    if finetune and not any(name.endswith("-finetuned") for name in result.methods):
        console.print(
            "Nothing was trained, since what to train was not settled within the budget.",
            soft_wrap=soft,
            highlight=False,
        )
    if out is None:
        console.print("Next: the same with --out DIR writes the checkpoint.", highlight=False)
    else:
        what = "Checkpoint and report" if result.verdict.written else "Report, no checkpoint"
        console.print(
            f"\n{what}: {out} (open report.html in a browser)",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )

"""`phasor compare`: thin; the work is in `phasor.lab`."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from phasor.cli.base import FAILURE, INTERRUPTED, USAGE_ERROR, app, chosen_device, fail
from phasor.errors import ArgumentError, PhasorError

_WHAT, _HOW_MUCH, _WHERE = "What to compare", "Size and budget", "Where and how"
_DEFAULT_ENCODINGS = "none,sinusoidal,learned,rotary,alibi"


@app.command(epilog="Example: phasor compare --encodings rotary,alibi --task copy --seeds 5")
def compare(
    encodings: Annotated[
        str,
        typer.Option(
            help="Names, separated by commas; see [bold]phasor encodings[/bold]. With arguments: "
            "'rotary(base=500000)', 'rotary(scaling=yarn(factor=4, original_seq_len=64))'. "
            "Layers take turns: rotary/rotary/none.",
            rich_help_panel=_WHAT,
        ),
    ] = _DEFAULT_ENCODINGS,
    task: Annotated[
        str,
        typer.Option(
            help="lm (next byte of real text), copy (repeat a string), or count (repeat one "
            "letter as often as it was read).",
            rich_help_panel=_WHAT,
        ),
    ] = "lm",
    text: Annotated[
        Path | None,
        typer.Option(
            help="File or folder for --task lm.",
            show_default="source of the Python standard library",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    train_length: Annotated[
        int | None,
        typer.Option(
            help="Longest training sequence, in tokens (lm) or letters.",
            show_default="lm 64, copy and count 10",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None,
    eval_factors: Annotated[
        str | None,
        typer.Option(
            help="Lengths to evaluate at, as multiples of the training length; 1 is always in.",
            show_default="lm 1,2,4,8; copy 1,1.1,1.2,1.5,2; count 1,1.1,1.3,1.5,2",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Trials of each encoding.", rich_help_panel=_HOW_MUCH)
    ] = 3,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Training steps.",
            show_default="lm 600, copy 1200, count 800",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Sequences per step.",
            show_default="lm 16, copy and count 32",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None,
    width: Annotated[int, typer.Option(help="Channels.", rich_help_panel=_HOW_MUCH)] = 64,
    layers: Annotated[int, typer.Option(help="Blocks.", rich_help_panel=_HOW_MUCH)] = 2,
    heads: Annotated[int, typer.Option(help="Attention heads.", rich_help_panel=_HOW_MUCH)] = 4,
    learning_rate: Annotated[
        float, typer.Option(help="At its peak.", rich_help_panel=_HOW_MUCH)
    ] = 3e-3,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Trials at a time. The numbers do not depend on it.",
            show_default="one per core; one on a GPU",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda (in bfloat16).", rich_help_panel=_WHERE)
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for trials.jsonl, results.json and report.html.",
            show_default="runs/compare-<date>-<time>",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the trials in --out, after a kill or with more seeds or encodings.",
            rich_help_panel=_WHERE,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print results.json to standard output.", rich_help_panel=_WHERE
        ),
    ] = False,
) -> None:
    """Train small models that differ in nothing but their position encoding, and compare them.

    With no options: five encodings on real text, three seeds, about three minutes on two cores.
    Ends with a table, a verdict and a report to open in a browser.
    """
    # Imported here so that --help and the other verbs stay fast.
    from phasor.encodings.spelling import parse_spelling, split_spellings
    from phasor.lab.compare import Comparison
    from phasor.lab.compare import compare as run
    from phasor.lab.config import TrialConfig
    from phasor.lab.screen import LiveScreen, PlainScreen, results_table
    from phasor.lab.tasks import look_up_task
    from phasor.lab.text import load_text
    from phasor.lab.workers import TrialFailedError, default_workers

    resume_hint = ""
    console = Console(stderr=as_json)
    folder = out or Path("runs") / time.strftime("compare-%Y%m%d-%H%M%S")
    try:
        recipe = look_up_task(task).recipe
        if text is not None and task != "lm":
            raise ArgumentError(f"--text is for --task lm; the task {task} makes its own sequences")
        length = recipe.train_length if train_length is None else train_length
        config = TrialConfig(
            task=task,
            train_length=length,
            eval_lengths=_lengths(length, eval_factors, recipe.eval_factors),
            steps=recipe.steps if steps is None else steps,
            batch_size=recipe.batch_size if batch_size is None else batch_size,
            learning_rate=learning_rate,
            width=width,
            layers=layers,
            heads=heads,
            device=chosen_device(device),
        )
        if resume and out is None:
            raise ArgumentError("--resume needs the folder to go on with: add --out DIR")
        names = [parse_spelling(spelling).text for spelling in split_spellings(encodings)]
        comparison = Comparison(
            encodings=names,
            seeds=range(seeds),
            config=config,
            text=load_text(text, window=config.eval_lengths[-1]) if task == "lm" else None,
            text_path=text,
            out=folder,
            workers=default_workers(config.device, len(names) * seeds)
            if workers is None
            else workers,
            resume=resume,
        )
        resume_hint = f"; finished trials are kept: go on with --resume --out {folder}"
        screen = LiveScreen if console.is_terminal else PlainScreen
        results = run(comparison, screen(console, config))
    except TrialFailedError as error:
        if error.details:
            sys.stderr.write(error.details)
        fail(f"{error}{resume_hint * error.may_resume}", status=FAILURE)
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    except OSError as error:
        fail(f"{error}{resume_hint}", status=FAILURE)
    except KeyboardInterrupt:
        fail(f"stopped{resume_hint}", status=INTERRUPTED)
    if as_json:
        typer.echo(json.dumps(results, indent=1))
    console.print(results_table(results))
    # A pipe gets whole lines, a terminal lines that break between words.
    console.print(
        results["verdict"], soft_wrap=not console.is_terminal, highlight=False, markup=False
    )
    console.print(
        f"\nReport: {folder / 'report.html'} (open it in a browser)",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def _lengths(train_length: int, factors: str | None, default: tuple[float, ...]) -> tuple[int, ...]:
    try:
        numbers = default if factors is None else tuple(map(float, factors.split(",")))
    except ValueError:
        raise ArgumentError(
            f"--eval-factors takes numbers separated by commas, got {factors!r}; try 1,2,4,8"
        ) from None
    if any(not 1 <= number < 1e6 for number in numbers):
        raise ArgumentError(
            f"--eval-factors are multiples of the training length, at least 1, got {factors!r}"
        )
    return tuple(sorted({train_length, *(round(number * train_length) for number in numbers)}))

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
from phasor.lab.tasks import TASKS

_WHAT, _HOW_MUCH, _WHERE = "What to compare", "Size and budget", "Where and how"
_DEFAULT_ENCODINGS = "none,sinusoidal,learned,rotary,alibi"


def _tasks_in_words() -> str:
    """A line for each task, as its recipe has it."""
    lines = []
    for name, task in TASKS.items():
        recipe = task.recipe
        longest = round(recipe.train_length * max(recipe.eval_factors))
        lines.append(
            f"[bold cyan]{name:15}[/]{task.summary} [dim]({recipe.train_length} to {longest} "
            f"{task.length_unit}, {recipe.steps} x {recipe.batch_size})[/]"
        )
    return "\n".join(lines)


@app.command(
    epilog="[bold]Tasks[/], in brackets the longest length in training and in evaluation, and "
    f"steps x batch size\n\n{_tasks_in_words()}\n\n"
    "Example: phasor compare --encodings rotary,alibi --task lm,copy --seeds 5"
)
def compare(
    encodings: Annotated[
        str,
        typer.Option(
            help="Names, separated by commas, or all; see [bold]phasor encodings[/bold]. With "
            "arguments: "
            "'rotary(base=500000)', 'rotary(scaling=yarn(factor=4, original_seq_len=64))'. "
            "Layers take turns: rotary/rotary/none. Your own: mymodule:MyEncoding.",
            rich_help_panel=_WHAT,
        ),
    ] = _DEFAULT_ENCODINGS,
    task: Annotated[
        str,
        typer.Option(
            help="Names from the list below, separated by commas, or all. Each of several gets a "
            "folder of its own.",
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
            help="Longest training sequence; of every task, like all that follow.",
            show_default="as the task has it",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None,
    eval_factors: Annotated[
        str | None,
        typer.Option(
            help="Lengths to evaluate at, as multiples of the training length; 1 is always in.",
            show_default="as the task has it",
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
            show_default="as the task has it",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Sequences per step.",
            show_default="as the task has it",
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
            help="Folder for trials.jsonl, results.json and report.html; of several tasks, for "
            "a folder of these for each, and a results.json and a report.html about all.",
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

    With no options: five encodings on real text, three seeds, about three minutes
    on two cores. Ends with a table, a verdict and a report to open in a browser.
    """
    # Imported here so that --help and the other verbs stay fast.
    from phasor.lab.compare import Comparison
    from phasor.lab.compare import compare as run
    from phasor.lab.plan import encoding_names, make_config, task_names
    from phasor.lab.screen import LiveScreen, PlainScreen
    from phasor.lab.several import compare_tasks, holds_tasks
    from phasor.lab.tables import results_table, tasks_table
    from phasor.lab.text import load_text
    from phasor.lab.workers import TrialFailedError, default_workers

    resume_hint = ""
    console = Console(stderr=as_json)
    screen = LiveScreen if console.is_terminal else PlainScreen
    folder = out or Path("runs") / time.strftime("compare-%Y%m%d-%H%M%S")
    try:
        tasks = task_names(task)
        if text is not None and "lm" not in tasks:
            raise ArgumentError(
                "--text is for --task lm; "
                f"{', '.join(tasks)} {'makes its' if len(tasks) == 1 else 'make their'} own "
                "sequences"
            )
        configs = [
            make_config(
                name, train_length=train_length, eval_factors=eval_factors, steps=steps,
                batch_size=batch_size, learning_rate=learning_rate, width=width, layers=layers,
                heads=heads, device=chosen_device(device),
            )
            for name in tasks
        ]  # fmt: skip
        if resume and out is None:
            raise ArgumentError("--resume needs the folder to go on with: add --out DIR")
        names = encoding_names(encodings)
        # A folder of several tasks can be given one more.
        several = len(tasks) > 1 or holds_tasks(folder)
        texts = {
            config.task: load_text(text, window=config.eval_lengths[-1])
            for config in configs
            if config.task == "lm"
        }
        for read in texts.values():
            if read.left_out:
                console.print(
                    f"Not read of the text: {read.left_out}.",
                    soft_wrap=True, highlight=False, markup=False,
                )  # fmt: skip
        comparisons = [
            Comparison(
                encodings=names,
                seeds=range(seeds),
                config=config,
                text=texts.get(config.task),
                text_path=text if config.task == "lm" else None,
                out=folder / config.task if several else folder,
                workers=default_workers(config.device, len(names) * seeds)
                if workers is None
                else workers,
                resume=resume,
            )
            for config in configs
        ]
        resume_hint = f"; finished trials are kept: go on with --resume --out {folder}"
        if several:
            places = {name: f"{name} ({at} of {len(tasks)}): " for at, name in enumerate(tasks, 1)}
            results = compare_tasks(
                comparisons, folder, lambda c: screen(console, c.config, places[c.config.task])
            )
        else:
            results = run(comparisons[0], screen(console, configs[0]))
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
    console.print(tasks_table(results) if several else results_table(results))
    verdicts = (
        [f"{name}: {found['verdict']}" for name, found in results["tasks"].items()]
        if several
        else [results["verdict"]]
    )
    # A pipe gets whole lines, a terminal lines that break between words.
    for verdict in verdicts:
        console.print(verdict, soft_wrap=not console.is_terminal, highlight=False, markup=False)
    console.print(
        f"\nReport: {folder / 'report.html'} (open it in a browser)",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )

"""The `phasor` command: one thin function per verb."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from phasor import __version__
from phasor.cli_convert import convert
from phasor.errors import ArgumentError, PhasorError

app = typer.Typer(
    name="phasor",
    help="Position encodings of Transformers: compare them, look at them, put them to work.",
    epilog="Start here: phasor compare",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

_WHAT, _HOW_MUCH, _WHERE = "What to compare", "Size and budget", "Where and how"
_DEFAULT_ENCODINGS = "none,sinusoidal,learned,rotary,alibi"
_USAGE_ERROR, _FAILURE, _INTERRUPTED = 2, 1, 130


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"phasor {__version__}")
        raise typer.Exit


@app.callback()
def _phasor(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


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
            device=_device(device),
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
        _fail(f"{error}{resume_hint * error.may_resume}", status=_FAILURE)
    except PhasorError as error:
        _fail(str(error), status=_USAGE_ERROR)
    except OSError as error:
        _fail(f"{error}{resume_hint}", status=_FAILURE)
    except KeyboardInterrupt:
        _fail(f"stopped{resume_hint}", status=_INTERRUPTED)
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


@app.command()
def encodings(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the encodings: name, where they enter, what they cost, where they come from."""
    from phasor.encodings.catalogue import CATALOGUE, ModelShape
    from phasor.encodings.spelling import parse_spelling

    shape = ModelShape(dim=768, head_dim=64, num_heads=12, num_positions=1024)
    rows = [
        {
            "name": name,
            "class": encoding.__name__,
            "sites": sorted(encoding.sites),
            "parameters": sum(p.numel() for p in parse_spelling(name).build(shape, 1).parameters()),
            "paper": encoding.paper,
            "summary": (encoding.__doc__ or "").strip().splitlines()[0],
        }
        for name, encoding in CATALOGUE.items()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(pad_edge=False)
    for column in ("name", "sites", "parameters", "paper", "what it is"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    for row in rows:
        table.add_row(
            f"[bold]{row['name']}[/bold]",
            ", ".join(row["sites"]) or "none",
            f"{row['parameters']:,}",
            row["paper"],
            row["summary"],
        )
    console = Console()
    console.print(table)
    console.print(
        "Parameters at width 768, 12 heads and 1024 positions. "
        "Next: phasor compare --encodings rotary,alibi",
        highlight=False,
    )


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
            device=_device(device), shapes=shapes, against=against, dtype=dtype, layout=layout,
            threads=threads, rounds=rounds, backward=backward,
        )  # fmt: skip
        if out is not None and (out.is_dir() or not os.access(out.parent, os.W_OK)):
            raise ArgumentError(f"--out {out} cannot be written; name a file in a folder that can")
        with Screen(console, plan.num_cases) as screen:
            results = run(plan, screen)
        text = json.dumps(results.as_json(), indent=1, allow_nan=False)
        if out is not None:
            write_atomically(out, text + "\n")
    except PhasorError as error:
        _fail(str(error), status=_USAGE_ERROR)
    except OSError as error:
        _fail(str(error), status=_FAILURE)
    except KeyboardInterrupt:
        _fail("stopped; nothing was written", status=_INTERRUPTED)
    if as_json:
        typer.echo(text)
    for case in results.cases:
        console.print(case_table(case))
        for note in case_notes(case):
            console.print(note, style="dim", highlight=False, markup=False)
        console.print()
    for line in summary(results):
        console.print(line, soft_wrap=not console.is_terminal, highlight=False, markup=False)


app.command(epilog="Example: phasor convert llama llama-meta --format meta")(convert)


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


def _device(name: str) -> str:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise ArgumentError(f"--device must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("--device cuda: PyTorch finds no CUDA device here; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def _fail(message: str, *, status: int) -> NoReturn:
    Console(stderr=True).print(
        f"Error: {message}", style="red", soft_wrap=True, highlight=False, markup=False
    )
    raise typer.Exit(status)

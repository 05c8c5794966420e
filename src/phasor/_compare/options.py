"""The options of `compare`."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from phasor._compare.workers import Event
from phasor._options import Option

_WHAT, _HOW_MUCH, _WHERE = "What to compare", "Size and budget", "Where and how"
_BY_TASK = "as the task has it"


@dataclass(frozen=True)
class Options:
    """What `phasor.compare` takes, and `phasor compare`.

    `progress` is told when a trial starts, how its training goes and what it found; `None` shows
    that on the screen.
    """

    _: KW_ONLY
    encodings: Annotated[
        str | Sequence[str],
        Option(
            "Names, separated by commas, or all; see [bold]phasor encodings[/bold]. With "
            "arguments: "
            "'rotary(base=500000)', 'rotary(scaling=yarn(factor=4, original_seq_len=64))'. "
            "Layers take turns: rotary/rotary/none. Your own: mymodule:MyEncoding.",
            _WHAT,
        ),
    ] = "none,sinusoidal,learned,rotary,alibi"
    task: Annotated[
        str | Sequence[str],
        Option(
            "Names from the list below, separated by commas, or all. Each of several gets a folder "
            "of its own.",
            _WHAT,
        ),
    ] = "lm"
    text: Annotated[
        str | Path | None,
        Option("File or folder for task='lm'.", _WHAT, "source of the Python standard library"),
    ] = None
    train_length: Annotated[
        int | None,
        Option(
            "Longest training sequence; of every task, like all that follow.", _HOW_MUCH, _BY_TASK
        ),
    ] = None
    eval_factors: Annotated[
        str | Sequence[float] | None,
        Option(
            "Lengths to evaluate at, as multiples of the training length; 1 is always in.",
            _HOW_MUCH, _BY_TASK,
        ),
    ] = None  # fmt: skip
    seeds: Annotated[int, Option("Trials of each encoding.", _HOW_MUCH)] = 3
    steps: Annotated[int | None, Option("Training steps.", _HOW_MUCH, _BY_TASK)] = None
    batch_size: Annotated[int | None, Option("Sequences per step.", _HOW_MUCH, _BY_TASK)] = None
    width: Annotated[int, Option("Channels.", _HOW_MUCH)] = 64
    layers: Annotated[int, Option("Blocks.", _HOW_MUCH)] = 2
    heads: Annotated[int, Option("Attention heads.", _HOW_MUCH)] = 4
    learning_rate: Annotated[float, Option("At its peak.", _HOW_MUCH)] = 3e-3
    workers: Annotated[
        int | None,
        Option(
            "Trials at a time. The numbers do not depend on it.",
            _WHERE, "one per core; one on a GPU",
        ),
    ] = None  # fmt: skip
    device: Annotated[str, Option("auto, cpu or cuda (in bfloat16).", _WHERE)] = "auto"
    out: Annotated[
        str | Path | None,
        Option(
            "Folder for trials.jsonl, results.json and report.html; of several tasks, for a folder "
            "of these for each, and a results.json and a report.html about all.",
            _WHERE, "runs/compare-<date>-<time>",
        ),
    ] = None  # fmt: skip
    resume: Annotated[
        bool,
        Option(
            "Go on with the trials in out=, after a kill or with more seeds or encodings.", _WHERE
        ),
    ] = False
    progress: Callable[[Event], None] | None = None

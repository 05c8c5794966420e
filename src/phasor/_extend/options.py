"""The options of `extend`."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from phasor._extend.plan import Task
from phasor._extend.store import Measurement
from phasor._options import Option

_WHAT, _HOW_MUCH, _WHERE = "What to try", "Budget", "Where"


@dataclass(frozen=True)
class Options:
    """What `phasor.extend` takes, and `phasor extend`.

    `progress` is told of each measurement before and after it; `None` shows them on the screen.
    """

    path: Annotated[str | Path, Option("A checkpoint folder, or a GGUF file.")]
    _: KW_ONLY
    to: Annotated[int, Option("Tokens that are wanted.")]
    methods: Annotated[
        str | Sequence[str],
        Option(
            "none, linear, ntk, dynamic_ntk, yarn, llama3, several with commas; or auto: all of "
            "these (longrope has factors to find, so search=True adds it). Of a learned table: "
            "none, interpolate.",
            _WHAT,
        ),
    ] = "auto"
    search: Annotated[
        bool,
        Option("Also tune yarn, the base, and each pair, on text that is not measured.", _WHAT),
    ] = False
    finetune: Annotated[
        int,
        Option(
            "Train what loses least (LoRA), beside the budget.",
            _WHAT, default="none", least=0, metavar="STEPS",
        ),
    ] = 0  # fmt: skip
    text: Annotated[
        str | Path | None,
        Option(
            "File or folder with documents at least as long as to=.",
            _WHAT, default="source of the Python standard library",
        ),
    ] = None  # fmt: skip
    documents: Annotated[
        int, Option("To measure on, at most; of fewer than 4 little can be told.", _HOW_MUCH)
    ] = 8
    passkeys: Annotated[int, Option("Prompts of each length and depth; 0: none.", _HOW_MUCH)] = 1
    budget: Annotated[
        float | None,
        Option(
            "Minutes; what would not end within them is left out.",
            _HOW_MUCH, default="as long as it takes",
        ),
    ] = None  # fmt: skip
    out: Annotated[
        str | Path | None,
        Option(
            "Folder for the checkpoint and report.html; must not exist but for resume=True.",
            _WHERE, default="none: measure only",
        ),
    ] = None  # fmt: skip
    device: Annotated[str, Option("auto, cpu or cuda.", _WHERE)] = "auto"
    resume: Annotated[
        bool,
        Option(
            "Go on with the run at out=: after a kill, or with more budget or documents.", _WHERE
        ),
    ] = False
    progress: Callable[[Task | Measurement], None] | None = None

"""`phasor convert`: thin; the work is in `phasor._convert`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from phasor._convert import command as converting
from phasor._kit.say import say
from phasor._options import Option, as_command
from phasor.cli.base import FAILURE, INTERRUPTED, command, fail, failing
from phasor.errors import ArgumentError


@dataclass(frozen=True)
class _Options(converting.Options):
    target: Annotated[Path | None, Option("Folder to make; must not exist.")] = None  # type: ignore[assignment]


@command(
    _Options,
    "Example: phasor convert llama llama-meta --format meta",
    detect=Option("Tell the layout from the weights; write nothing."),
    as_json=Option("Print JSON."),
)
def convert(options: _Options, *, detect: bool, as_json: bool) -> None:
    """Rewrite a checkpoint for code that pairs other channels.

    Query and key projections, their biases and norms, fused projections and LoRA
    adapters; grouped heads too. The new folder appears whole or not at all, and
    the old one is left alone. Every head is verified by its products; logits are
    compared where the model can be run.
    """
    target = options.target
    was_free = target is None or not target.exists()
    with failing(_Options, "; nothing was kept"):
        try:
            lines, values = _detect(options) if detect else _convert(options)
        except OSError as error:
            where = error.filename or target or options.source
            fail(f"{where}: {error.strerror or error}; nothing was kept", status=FAILURE)
        except KeyboardInterrupt:
            if was_free and target is not None and target.exists():
                fail(f"stopped; {target} is whole", status=INTERRUPTED)
            raise
    if as_json:
        typer.echo(json.dumps(values, indent=1))
        return
    console = Console()
    for line in lines:
        say(console, as_command(line, _Options))


def _convert(options: _Options) -> tuple[list[str], dict[str, Any]]:
    from phasor._convert.progress import shown_on

    if options.target is None:
        raise ArgumentError("name the folder to make, as in phasor convert SOURCE TARGET --layout")
    with shown_on(Console(stderr=True)) as watch:
        done = converting.run(options, watch)
    return list(done._parts()), {k: v for k, v in asdict(done).items() if k != "target"}


def _detect(options: _Options) -> tuple[list[str], dict[str, Any]]:
    from phasor._convert.detect import detect
    from phasor._convert.source import read_source

    more = (options.target, options.layout, options.format, options.verify)
    if any(option is not None for option in more):
        raise ArgumentError("--detect only looks; leave out the folder to make and options")
    base = None if options.base is None else Path(options.base)
    read = read_source(Path(options.source), base=base, guess_family=True)
    found = detect(read)
    lines = [found.sentence()]
    if read.format != "adapter" and found.layout not in (None, read.heads.layout.split("-")[0]):
        lines.append(f"its configuration says {read.heads.layout}: one of the two is wrong")
    return lines, asdict(found)

"""`phasor convert`: thin; the work is in `phasor.checkpoints.converting`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from phasor.cli.base import FAILURE, INTERRUPTED, USAGE_ERROR, app, fail
from phasor.errors import ArgumentError, PhasorError, unknown_name


@app.command(epilog="Example: phasor convert llama llama-meta --format meta")
def convert(
    source: Annotated[Path, typer.Argument(help="Folder of a safetensors checkpoint.")],
    target: Annotated[
        Path | None, typer.Argument(help="Folder to make; must not exist.", show_default=False)
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Pairs wanted: half, interleaved, or half-reversed (nanochat).",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Or format wanted, for LLaMA: hf (transformers) or meta, with its names, "
            "configuration and pairs.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Of a LoRA adapter: the folder of its model.", show_default=False),
    ] = None,
    verify: Annotated[
        bool | None,
        typer.Option(
            help="Compare logits before and after.",
            show_default="where the model can be run",
        ),
    ] = None,
    detect: Annotated[
        bool, typer.Option("--detect", help="Tell the layout from the weights; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rewrite a checkpoint for code that pairs other channels.

    Query and key projections, their biases and norms, fused projections and LoRA
    adapters; grouped heads too. The new folder appears whole or not at all, and
    the old one is left alone. Every head is verified by its products; logits are
    compared where the model can be run.
    """
    was_free = target is None or not target.exists()
    try:
        if detect:
            if any(option is not None for option in (target, layout, to, verify)):
                raise ArgumentError("--detect only looks; leave out the folder to make and options")
            lines, values = _detect(source, base)
        else:
            lines, values = _convert(source, target, layout, to, base, verify)
    except PhasorError as error:
        fail(str(error), status=USAGE_ERROR)
    except OSError as error:
        where = error.filename or target or source
        fail(f"{where}: {error.strerror or error}; nothing was kept", status=FAILURE)
    except KeyboardInterrupt:
        whole = was_free and target is not None and target.exists()
        kept = f"{target} is whole" if whole else "nothing was kept"
        fail(f"stopped; {kept}", status=INTERRUPTED)
    if as_json:
        typer.echo(json.dumps(values, indent=1))
        return
    console = Console()
    for line in lines:
        console.print(line, soft_wrap=not console.is_terminal, highlight=False, markup=False)


def _convert(
    source: Path,
    target: Path | None,
    layout: str | None,
    to: str | None,
    base: Path | None,
    verify: bool | None,
) -> tuple[list[str], dict[str, Any]]:
    from phasor.checkpoints.converting.command import convert_checkpoint
    from phasor.checkpoints.converting.families import PAIR_LAYOUTS
    from phasor.checkpoints.converting.screen import Screen

    if target is None:
        raise ArgumentError("name the folder to make, as in phasor convert SOURCE TARGET --layout")
    if (layout is None) == (to is None):
        raise ArgumentError("pass either --layout or --format")
    wanted = next((name for name in PAIR_LAYOUTS if name == layout), None)
    if layout is not None and wanted is None:
        raise unknown_name("--layout: there is no layout", layout, list(PAIR_LAYOUTS))
    if to not in (None, "hf", "meta"):
        raise unknown_name("--format: there is no format", to, ["hf", "meta"])
    with Screen(Console(stderr=True)) as screen:
        done = convert_checkpoint(
            source,
            target,
            layout=wanted,
            to="hf" if to == "hf" else "meta" if to == "meta" else None,
            base=base,
            verify=verify,
            screen=screen,
        )
    return done.lines(target), asdict(done)


def _detect(source: Path, base: Path | None) -> tuple[list[str], dict[str, Any]]:
    from phasor.checkpoints.converting.detect import detect
    from phasor.checkpoints.converting.source import read_source

    read = read_source(source, base=base, guess_family=True)
    found = detect(read)
    lines = [found.sentence()]
    if read.format != "adapter" and found.layout not in (None, read.heads.layout.split("-")[0]):
        lines.append(f"its configuration says {read.heads.layout}: one of the two is wrong")
    return lines, asdict(found)

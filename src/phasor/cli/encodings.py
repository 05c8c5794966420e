"""`phasor encodings`: what there is."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from phasor.cli.base import app
from phasor.errors import ArgumentError, PhasorError


@app.command()
def encodings(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the encodings: name, where they enter, what they cost, where they come from.

    Those of other installed packages, from their entry points in the group phasor.encodings, last.
    """
    from phasor._explain.docstrings import summary
    from phasor.encodings._elsewhere import installed
    from phasor.encodings.catalogue import BY_NAME, EXAMPLE, look_up
    from phasor.encodings.spelling import parse_spelling

    found = dict(BY_NAME)
    for name in installed():
        try:
            found.setdefault(name, look_up(name))
        except PhasorError as error:
            typer.echo(f"Left out: {error}", err=True)

    def parameters(name: str) -> int | None:
        """`None` where it needs to be told more than a model can."""
        try:
            return sum(p.numel() for p in parse_spelling(name).build(EXAMPLE, 1).parameters())
        except ArgumentError:
            return None

    rows = [
        {
            "name": name,
            "class": encoding.__name__,
            "sites": sorted(encoding.sites),
            "parameters": parameters(name),
            "paper": encoding.paper,
            "summary": summary(encoding),
        }
        for name, encoding in found.items()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    console = Console()
    console.print(f"{'name':<18}{'site':<18}{'parameters':>12}  paper", style="dim")
    for row in rows:
        sites = ", ".join(row["sites"]) or "none"
        count = "it depends" if row["parameters"] is None else f"{row['parameters']:,}"
        facts = f"{sites:<18}{count:>12}  {row['paper']}"
        console.print(Text.assemble((f"{row['name']:<18}", "bold"), facts))
        console.print(Padding(Text(row["summary"], style="dim"), (0, 0, 0, 2)))
    console.print()
    console.print(
        "Parameters at width 768, 12 heads and 1024 positions. "
        "Next: phasor compare --encodings rotary,alibi",
        highlight=False,
    )

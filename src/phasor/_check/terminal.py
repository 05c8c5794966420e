"""Results of the checks in the terminal."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from phasor._check.result import Checked

_STYLES = {"pass": "green", "fail": "bold red", "skip": "dim", "note": "cyan"}


def parts(checked: Checked) -> Iterator[RenderableType]:
    """All of them, and the verdict."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for result in checked.results:
        table.add_row(
            Text(result.status, style=_STYLES[result.status]), result.name, Text(result.text)
        )
    yield Text(checked.model, style="bold")
    yield table
    failed = [result.name for result in checked.results if result.status == "fail"]
    yield ""
    if failed:
        yield Text(f"Failed: {', '.join(failed)}", style="bold red")
    elif checked.passed:
        yield Text("Passed.", style="green")
    else:
        yield Text("Failed: nothing could be checked", style="bold red")

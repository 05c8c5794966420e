"""Results of the checks in the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from phasor.check.result import Result, has_passed

_STYLES = {"pass": "green", "fail": "bold red", "skip": "dim", "note": "cyan"}


def print_results(name: str, results: list[Result], console: Console) -> None:
    """Print all of them, and the verdict."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for result in results:
        table.add_row(
            Text(result.status, style=_STYLES[result.status]), result.name, Text(result.text)
        )
    console.print(Text(name, style="bold"))
    console.print(table)
    failed = [result.name for result in results if result.status == "fail"]
    console.print()
    if failed:
        console.print(Text(f"Failed: {', '.join(failed)}", style="bold red"))
    elif has_passed(results):
        console.print(Text("Passed.", style="green"))
    else:
        console.print(Text("Failed: nothing could be checked", style="bold red"))

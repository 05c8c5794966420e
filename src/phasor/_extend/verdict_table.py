"""The verdict as a table in the terminal."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from phasor._extend.findings import LOSS_TOLERANCE, Finding
from phasor._extend.verdict import Verdict

_COLUMNS = 4
_LARGE = 0.005


def verdict_table(verdict: Verdict) -> Table:
    """Each candidate's loss along the document and over all of it, the least first.

    Those that cannot be told from the first are bold.
    """
    table = Table(
        title="nats above the model with its context cut, at positions; cost: within training",
        title_justify="left", title_style="dim", box=SIMPLE_HEAD, show_edge=False,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    bins = len(verdict.edges) - 1
    shown = sorted({round((at + 1) * bins / _COLUMNS) - 1 for at in range(_COLUMNS)} - {-1})
    table.add_column("method", no_wrap=True)
    for at in shown:
        table.add_column(f"{verdict.edges[at + 1]:,}", justify="right", no_wrap=True)
    for title in ("all", "keys", "holds to", "cost"):
        table.add_column(title, justify="right", no_wrap=True)
    for finding in verdict.ranked:
        style = "bold" if finding.name in verdict.tied else ""
        table.add_row(
            Text(finding.name, style=style),
            *(_excess(finding, at) for at in shown),
            "–" if finding.overall is None else f"{finding.overall.mean:+.3f}",
            _keys(finding),
            holds_to(finding),
            "–" if finding.regression is None else f"{finding.regression.mean:+.3f}",
        )
    return table


def holds_to(finding: Finding) -> str:
    """Tokens up to which it holds: `8,192`, `8,192–12,288` where no more is shown, or `?`."""
    if finding.effective is None:
        return "–"
    if finding.effective == finding.at_most:
        return f"{finding.effective:,}"
    return f"{finding.effective:,}–{finding.at_most:,}" if finding.effective else "?"


def _excess(finding: Finding, at: int) -> Text:
    # A model that ends has none past its end.
    if at >= len(finding.excess):
        return Text("–")
    value = finding.excess[at]
    words = f"{value:+.2f}" if abs(value) >= _LARGE else "0"
    return Text(words, style="red" if value > LOSS_TOLERANCE else "")


def _keys(finding: Finding) -> str:
    right = sum(found for found, _ in finding.passkeys.values())
    asked = sum(asked for _, asked in finding.passkeys.values())
    return f"{right}/{asked}" if asked else "–"

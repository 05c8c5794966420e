"""What a person sees while candidates are measured, and the table at the end."""

from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from phasor._extend.explain import Explanation, TableExplanation
from phasor._extend.findings import LOSS_TOLERANCE, Finding
from phasor._extend.plan import Task
from phasor._extend.store import Measurement
from phasor._extend.subject import Subject
from phasor._extend.verdict import Verdict

_COLUMNS = 4
_LARGE = 0.005


class ConsoleScreen:
    """A bar for the pass that runs in a terminal, a line for each that is done elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} tokens"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            expand=True,
            transient=True,
        )

    def explained(self, subject: Subject, explanation: Explanation | TableExplanation) -> None:
        for line in explanation_lines(explanation):
            self._say(line)
        self._say("")

    def left_out(self, what: str) -> None:
        self._say(f"Not read of the text: {what}.")

    def begin(self, task: Task, tokens: int, left: float) -> None:
        if self._live:
            self._progress.start()
            rest = f"about {_clock(left)} left in all" if left else ""
            self._bar = self._progress.add_task(_words(task), total=tokens, left=rest)

    def read(self, tokens: int) -> None:
        if self._live:
            self._progress.advance(self._bar, tokens)

    def end(self, measurement: Measurement) -> None:
        if self._live:
            self._progress.remove_task(self._bar)
            self._progress.stop()
        task = Task(
            kind=measurement.kind, candidate=measurement.candidate, length=measurement.length,
            document=measurement.document, depth=measurement.depth,
        )  # fmt: skip
        self._say(f"{_words(task)}: {_outcome(measurement)} ({measurement.seconds:.0f} s)")

    def _say(self, line: str) -> None:
        self._console.print(
            line, soft_wrap=not self._console.is_terminal, highlight=False, markup=False
        )
        self._console.file.flush()


class Told:
    """Tells a function of each measurement, before and after it."""

    def __init__(self, progress: Callable[[Task | Measurement], None]) -> None:
        self._progress = progress

    def explained(self, subject: Subject, explanation: Explanation | TableExplanation) -> None: ...
    def left_out(self, what: str) -> None: ...
    def read(self, tokens: int) -> None: ...

    def begin(self, task: Task, tokens: int, left: float) -> None:
        self._progress(task)

    def end(self, measurement: Measurement) -> None:
        self._progress(measurement)


def explanation_lines(explanation: Explanation | TableExplanation) -> list[str]:
    """What the frequencies or the table say before anything is run, a sentence each."""
    trained, target = explanation.trained_length, explanation.target_length
    lines = [f"From {trained:,} to {target:,} tokens, by a factor of {target / trained:g}."]
    if isinstance(explanation, TableExplanation):
        return [*lines, *_table_lines(explanation)]
    missing, pairs = len(explanation.incomplete), len(explanation.wavelengths)
    if missing:
        lines.append(
            f"{missing} of {pairs} pairs never complete a turn in {trained:,} tokens, from pair "
            f"{explanation.incomplete[0]} on: past it they take angles that no training has seen."
        )
    else:
        lines.append(f"All {pairs} pairs complete a turn in {trained:,} tokens.")
    if explanation.base is not None:
        needed = explanation.base_needed
        take = f"{target:,} take {needed:,.0f}" if needed else f"no base carries {target:,}"
        lines.append(
            f"By the bound on the base, {explanation.base:,.0f} carries "
            f"{explanation.base_context:,} tokens, and {take}; trained models often "
            "exceed it."
        )
    return lines


def _table_lines(explanation: TableExplanation) -> list[str]:
    neighbours = {name: values[1] for name, values in explanation.similarity.items()}
    lines = [
        f"Its table has a vector for each of {explanation.trained_length:,} positions and ends "
        "there: past it the model as it is cannot read at all."
    ]
    if "interpolate" in neighbours:
        lines.append(
            "Interpolated, tokens lie closer than in any training: the vectors of neighbours have "
            f"a mean cosine of {neighbours['none']:.4f} before and "
            f"{neighbours['interpolate']:.4f} after."
        )
    return lines


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


def _words(task: Task) -> str:
    if task.kind == "passkey":
        return f"{task.candidate}: pass key in {task.length:,} tokens at {task.depth:.0%}"
    if task.kind == "finetune":
        return f"training with {task.candidate}, {task.length:,} steps"
    if task.kind == "search":
        return f"search, {task.candidate}: setting {task.document + 1}"
    if task.kind == "embedding":
        return f"{task.candidate}: vectors of text {task.document + 1}, {task.length:,} tokens"
    if task.kind == "cropped":
        return f"reference, context cut: document {task.document + 1}, {task.length:,} tokens"
    return f"{task.candidate}: document {task.document + 1}, {task.length:,} tokens"


def _outcome(measurement: Measurement) -> str:
    if measurement.kind == "passkey":
        return "found" if measurement.values[0] else "not found"
    if measurement.kind == "embedding":
        return f"cosine {measurement.values[0]:.3f} before and after"
    first, last = measurement.values[0], measurement.values[-1]
    mean = sum(measurement.values) / len(measurement.values)
    return f"{mean:.3f} nats, {first:.3f} at the start, {last:.3f} at the end"


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"

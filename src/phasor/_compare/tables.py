"""Tables in the terminal: as trials come in, at the end, and over several tasks."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from phasor._compare.config import TrialConfig
from phasor._compare.report.heat_map import names as encodings_of
from phasor._compare.results import Results
from phasor._compare.tasks import look_up_task
from phasor._compare.trial import Trial
from phasor._kit.statistics import Estimate, mean_interval


def trials_table(trials: Sequence[Trial], config: TrialConfig) -> Table:
    """Mean and interval by length of the trials so far, best at the training length first."""
    exact = bool(trials[0].exact_match)
    unit = look_up_task(config.task).unit
    title = "exact match by length" if exact else f"nats per {unit} by length"
    table = _table(title)
    table.add_column("encoding", no_wrap=True)
    table.add_column("seeds", justify="right")
    for length in config.eval_lengths:
        table.add_column(str(length), justify="right", no_wrap=True)
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.encoding, []).append(trial)
    start = str(config.train_length)

    # As in the results: by exact answers over all lengths where there are any, else by loss.
    def order(name: str) -> tuple[float, float]:
        group = groups[name]
        answers = sum(sum(trial.exact_match.values()) for trial in group)
        return -answers / len(group), sum(trial.loss[start] for trial in group) / len(group)

    for name in sorted(groups, key=order):
        rows = [trial.exact_match or trial.loss for trial in groups[name]]
        cells = []
        for length in map(str, config.eval_lengths):
            values = [row[length] for row in rows]
            cells.append(
                f"{min(values):.2f} to {max(values):.2f}"
                if exact
                else _text(mean_interval(values), symmetric=True)
            )
        table.add_row(name, str(len(rows)), *cells)
    return table


def results_table(results: Results) -> Table:
    """The table at the end: every encoding of `results`, best at the training length first."""
    encodings = results.encodings
    exact = any(summary.exact_match for summary in encodings.values())
    quantity = "exact_match" if exact else "loss"
    unit = "exact match" if exact else f"nats per {results.unit}"
    lengths = list(map(str, results.config.eval_lengths))
    spread = "least and greatest Wilson bound of the seeds" if exact else "95 % interval over seeds"
    table = _table(f"{unit} by length: mean and {spread}")
    table.add_column("encoding", no_wrap=True)
    for column in (*lengths, *(() if exact else ("params", "tok/s"))):
        table.add_column(column, justify="right", no_wrap=True)
    for name in results.ranking:
        summary = encodings[name]
        cost = (_short(summary.parameters), _short(summary.tokens_per_second))
        table.add_row(
            name,
            *(
                _text(cell, symmetric=not exact)
                for cell in (getattr(summary, quantity)[length] for length in lengths)
            ),
            *(() if exact else cost),
        )
    return table


def tasks_table(tasks: Mapping[str, Results]) -> Table:
    """All tasks: the mean at the training length and at the longest."""
    encodings = encodings_of(tasks)
    losses = [name for name, task in tasks.items() if not look_up_task(name).has_one_answer]
    nats = f" (nats for {', '.join(losses)})" if losses else ""
    table = _table(f"exact match{nats}: at the training length → at the longest")
    lengths = {name: task.config.eval_lengths for name, task in tasks.items()}
    heads = {
        name: f"{name} {' → '.join(map(str, n[:1] + n[1:][-1:]))}" for name, n in lengths.items()
    }
    rows = {encoding: [_ends(task, encoding) for task in tasks.values()] for encoding in encodings}
    # A terminal is taller than wide: the fewer of the two are the columns.
    if len(tasks) <= len(encodings):
        columns, lines = ["encoding", *heads.values()], [[name, *row] for name, row in rows.items()]
    else:
        columns = ["task", *encodings]
        lines = [
            [head, *cells] for head, *cells in zip(heads.values(), *rows.values(), strict=True)
        ]
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left", no_wrap=not at)
    for line in lines:
        table.add_row(*line)
    return table


def _ends(results: Results, encoding: str) -> str:
    if encoding not in results.encodings:
        return "–"
    summary = results.encodings[encoding]
    quantity = summary.exact_match or summary.loss
    means = [f"{cell.mean:.2f}" for cell in quantity.values()]
    return " → ".join(means[:1] + means[1:][-1:])


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="dim",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def _text(estimate: Estimate, *, symmetric: bool) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.3f}"
    if symmetric:
        half = f"{estimate.high - estimate.mean:.3f}".removeprefix("0")
        return f"{estimate.mean:.3f} [dim]±{half}[/dim]"
    bounds = (f"{bound:.2f}" for bound in (estimate.low, estimate.high))
    low, high = (text.removeprefix("0").removesuffix(".00") or "0" for text in bounds)
    return f"{estimate.mean:.2f} [dim]{low}–{high}[/dim]"


def _short(number: float) -> str:
    return f"{number:.0f}" if number < 1000 else f"{number / 1000:,.0f}k"

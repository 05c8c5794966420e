"""What a person sees while trials run: a live screen in a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from phasor.lab.config import TrialConfig
from phasor.lab.statistics import Estimate, mean_interval
from phasor.lab.trial import Trial
from phasor.lab.workers import Event, Finished, Job, Progressed, Started

# Measuring a trained model takes about this share of the time of training it.
_MEASURING_SHARE = 0.2


class LiveScreen:
    """A bar for all trials, a bar for each running one, and the table as it stands."""

    def __init__(self, console: Console, config: TrialConfig) -> None:
        self._console = console
        self._config = config
        self._steps = config.steps
        self._units = config.steps + max(1, round(config.steps * _MEASURING_SHARE))
        self._overall = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            expand=True,
            speed_estimate_period=120,
        )
        self._running = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            console=console,
            expand=True,
        )
        self._bars: dict[Job, TaskID] = {}
        self._steps_seen: dict[Job, int] = {}
        self._trials: list[Trial] = []
        self._total = 0
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4)

    def begin(self, done: Sequence[Trial], jobs: Sequence[Job]) -> None:
        self._trials = list(done)
        self._total = len(done) + len(jobs)
        self._all = self._overall.add_task(
            "all trials",
            total=self._units * self._total,
            completed=self._units * len(done),
            done=self._done(),
        )
        if jobs:
            self._live.start()

    def see(self, event: Event) -> None:
        job = event.job
        if isinstance(event, Started):
            self._bars[job] = self._running.add_task(
                f"{job.encoding} seed {job.seed}", total=self._steps, loss=""
            )
        elif isinstance(event, Progressed):
            gained = event.step - self._steps_seen.get(job, 0)
            self._steps_seen[job] = event.step
            loss = "measuring" if event.step == self._steps else f"loss {event.loss:.3f}"
            self._running.update(self._bars[job], completed=event.step, loss=loss)
            self._overall.advance(self._all, gained)
        else:
            self._running.remove_task(self._bars.pop(job))
            self._trials.append(event.trial)
            self._overall.advance(self._all, self._units - self._steps)
            self._overall.update(self._all, done=self._done())

    def end(self) -> None:
        self._live.stop()

    def _done(self) -> str:
        return f"{len(self._trials)}/{self._total}"

    def _render(self) -> Group:
        parts = [trials_table(self._trials, self._config)] if self._trials else []
        return Group(*parts, self._running, self._overall)


class PlainScreen:
    """A line for each finished trial, for logs and pipes."""

    def __init__(self, console: Console, config: TrialConfig) -> None:
        self._console = console
        self._config = config

    def begin(self, done: Sequence[Trial], jobs: Sequence[Job]) -> None:
        self._finished, self._total = 0, len(jobs)
        self._start = time.monotonic()
        kept = f", {len(done)} kept from before" if done else ""
        self._print(f"{len(jobs)} trial{'s' * (len(jobs) != 1)} to run{kept}")

    def see(self, event: Event) -> None:
        if not isinstance(event, Finished):
            return
        self._finished += 1
        elapsed = time.monotonic() - self._start
        left = elapsed / self._finished * (self._total - self._finished)
        trial = event.trial
        quantity = trial.exact_match or trial.loss
        values = ", ".join(f"{value:.3f} at {length}" for length, value in quantity.items())
        self._print(
            f"[{self._finished}/{self._total}] {trial.encoding} seed {trial.seed}: {values} "
            f"({trial.seconds:.0f} s, about {left:.0f} s left)"
        )

    def end(self) -> None:
        pass

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)
        self._console.file.flush()  # a pipe would keep it back until some thousand bytes are there


def trials_table(trials: Sequence[Trial], config: TrialConfig) -> Table:
    """Mean and interval by length of the trials so far, best at the training length first."""
    exact = bool(trials[0].exact_match)
    title = "exact match by length" if exact else "nats per byte by length of context"
    table = _table(title)
    table.add_column("encoding", no_wrap=True)
    table.add_column("seeds", justify="right")
    for length in config.eval_lengths:
        table.add_column(str(length), justify="right", no_wrap=True)
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.encoding, []).append(trial)
    start = str(config.train_length)

    def order(name: str) -> float:
        return sum(trial.loss[start] for trial in groups[name]) / len(groups[name])

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


def results_table(results: dict[str, Any]) -> Table:
    """The table at the end: every encoding of `results`, best at the training length first."""
    encodings = results["encodings"]
    exact = any(summary["exact_match"] for summary in encodings.values())
    quantity = "exact_match" if exact else "loss"
    unit = "exact match" if exact else f"nats per {results['unit']}"
    lengths = list(map(str, results["config"]["eval_lengths"]))
    spread = "least and greatest Wilson bound of the seeds" if exact else "95 % interval over seeds"
    table = _table(f"{unit} by length: mean and {spread}")
    table.add_column("encoding", no_wrap=True)
    for column in (*lengths, *(() if exact else ("params", "tok/s"))):
        table.add_column(column, justify="right", no_wrap=True)
    for name in results["ranking"]:
        summary = encodings[name]
        cost = (_short(summary["parameters"]), _short(summary["tokens_per_second"]))
        table.add_row(
            name,
            *(
                _text(Estimate(cell["mean"], cell["low"], cell["high"]), symmetric=not exact)
                for cell in (summary[quantity][length] for length in lengths)
            ),
            *(() if exact else cost),
        )
    return table


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

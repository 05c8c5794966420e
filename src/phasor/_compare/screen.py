"""What a person sees while trials run: a live screen in a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Sequence

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

from phasor._compare.compare import Comparison, Watcher
from phasor._compare.config import TrialConfig
from phasor._compare.tables import trials_table
from phasor._compare.trial import Trial
from phasor._compare.workers import Event, Finished, Job, Progressed, Started

# Measuring a trained model takes about this share of the time of training it.
_MEASURING_SHARE = 0.2


class LiveScreen:
    """A bar for all trials, a bar for each running one, and the table as it stands.

    Args:
        console: Where to draw.
        config: What the trials have in common.
        label: Stands before what is said of all trials, to tell one task from the next.
    """

    def __init__(self, console: Console, config: TrialConfig, label: str = "") -> None:
        self._console = console
        self._config = config
        self._label = label
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
            f"{self._label}all trials",
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
    """A line for each finished trial, for logs and pipes.

    Args:
        console: Where to print.
        config: What the trials have in common.
        label: Stands before each line, to tell one task from the next.
    """

    def __init__(self, console: Console, config: TrialConfig, label: str = "") -> None:
        self._console = console
        self._config = config
        self._label = label

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
        self._console.print(self._label + line, soft_wrap=True, highlight=False, markup=False)
        self._console.file.flush()  # a pipe would keep it back until some thousand bytes are there


class Told:
    """Tells a function of each event."""

    def __init__(self, progress: Callable[[Event], None]) -> None:
        self._progress = progress

    def begin(self, done: Sequence[Trial], jobs: Sequence[Job]) -> None: ...
    def end(self) -> None: ...

    def see(self, event: Event) -> None:
        self._progress(event)


def screen(console: Console) -> Callable[[Comparison, str], Watcher]:
    """What shows a comparison on `console`, under a label."""
    kind = LiveScreen if console.is_terminal else PlainScreen
    return lambda comparison, label: kind(console, comparison.config, label)

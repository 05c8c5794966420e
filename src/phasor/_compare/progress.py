"""What a person sees while trials run: bars and a table in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from phasor._compare.compare import Planned, Watch
from phasor._compare.tables import trials_table
from phasor._compare.trial import Trial
from phasor._compare.workers import Event, Job, Progressed, Started
from phasor._kit.screen import Screen

# Measuring a trained model takes about this share of the time of training it.
_MEASURING_SHARE = 0.2


@contextmanager
def shown_on(console: Console) -> Iterator[Watch]:
    """What watches comparisons, one after the other, and shows them on `console`."""
    with Screen(
        console,
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        transient=False,
        speed_seconds=120,
    ) as screen:
        shown: _Trials

        def watch(event: Planned | Event) -> None:
            nonlocal shown
            if isinstance(event, Planned):
                shown = _Trials(event, console, screen)
            else:
                shown.see(event)

        yield watch


class _Trials:
    """Those of one comparison: a bar for all, one for each that runs, and the table as it stands.

    Elsewhere than in a terminal, a line for each that is finished.
    """

    def __init__(self, planned: Planned, console: Console, screen: Screen) -> None:
        self._planned, self._screen = planned, screen
        self._trials = list(planned.kept)
        self._kept, self._missing = len(planned.kept), len(planned.missing)
        self._steps = planned.config.steps
        self._units = self._steps + max(1, round(self._steps * _MEASURING_SHARE))
        self._units_done: dict[Job, int] = {}
        self._start = time.monotonic()
        self._bars: dict[Job, TaskID] = {}
        self._running = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            console=console,
            expand=True,
        )
        before = f", {self._kept} kept from before" if self._kept else ""
        self._say_instead(f"{self._missing} trial{'s' * (self._missing != 1)} to run{before}")
        if self._missing:
            screen.begin(
                f"[bold]{planned.place}all trials",
                self._units * (self._kept + self._missing),
                completed=self._completed(),
                above=self._above,
                done=self._done(),
            )

    def see(self, event: Event) -> None:
        job = event.job
        if isinstance(event, Started):
            name = f"{job.encoding} seed {job.seed}"
            self._bars[job] = self._running.add_task(name, total=self._steps, loss="")
            return
        if isinstance(event, Progressed):
            loss = "measuring" if event.step == self._steps else f"loss {event.loss:.3f}"
            self._running.update(self._bars[job], completed=event.step, loss=loss)
            self._units_done[job] = event.step
        else:
            self._running.remove_task(self._bars.pop(job))
            self._trials.append(event.trial)
            self._units_done[job] = self._units
            self._say_instead(self._line(event.trial))
        self._screen.advance(self._completed(), done=self._done())
        if len(self._trials) == self._kept + self._missing:
            self._screen.end()

    def _completed(self) -> int:
        return self._units * self._kept + sum(self._units_done.values())

    def _done(self) -> str:
        return f"{len(self._trials)}/{self._kept + self._missing}"

    def _above(self) -> Iterator[RenderableType]:
        if self._trials:
            yield trials_table(self._trials, self._planned.config)
        yield self._running

    def _line(self, trial: Trial) -> str:
        finished = len(self._trials) - self._kept
        elapsed = time.monotonic() - self._start
        left = elapsed / finished * (self._missing - finished)
        quantity = trial.exact_match or trial.loss
        values = ", ".join(f"{value:.3f} at {length}" for length, value in quantity.items())
        return (
            f"[{finished}/{self._missing}] {trial.encoding} seed {trial.seed}: {values} "
            f"({trial.seconds:.0f} s, about {left:.0f} s left)"
        )

    def _say_instead(self, line: str) -> None:
        self._screen.say_instead(self._planned.place + line)

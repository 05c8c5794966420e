"""The comparison as one call: from its options to what was found."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from phasor._compare.compare import Comparison, Watch
from phasor._compare.compare import compare as compare_task
from phasor._compare.options import Options
from phasor._compare.plan import encoding_names, make_config, task_names
from phasor._compare.progress import shown_on
from phasor._compare.report import render_overview, render_report
from phasor._compare.results import Results
from phasor._compare.several import compare_tasks, holds_tasks
from phasor._compare.tables import results_table, tasks_table
from phasor._compare.workers import Finished, Progressed, Started, default_workers
from phasor._kit.shown import Shown
from phasor._kit.text import load_text
from phasor._kit.watching import telling
from phasor._options import chosen_device, taking
from phasor.errors import ArgumentError


@dataclass(frozen=True, repr=False)
class Compared(Shown):
    """What a comparison found.

    Args:
        tasks: By task, the numbers of its `results.json`.
        folder: Of the files; each of several tasks has one of its own within.
        several: Whether there is a page about all tasks.
    """

    tasks: Mapping[str, Results]
    folder: Path
    several: bool

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def to_json(self) -> dict[str, Any]:
        """What `results.json` holds."""
        values = {name: found.to_json() for name, found in self.tasks.items()}
        return {"tasks": values} if self.several else next(iter(values.values()))

    def _parts(self) -> Iterator[RenderableType]:
        if self.several:
            yield tasks_table(self.tasks)
            yield from (f"{name}: {found.verdict}" for name, found in self.tasks.items())
            return
        (found,) = self.tasks.values()
        yield results_table(found)
        yield found.verdict

    def _page(self) -> str:
        if self.several:
            return render_overview(self.tasks)
        return render_report(next(iter(self.tasks.values())))


@taking(Options)
def compare(options: Options) -> Compared:
    """Train small models that differ in nothing but their position encoding, and compare them.

    Returns:
        Means and intervals over seeds, a verdict, and where the report is.

    Raises:
        ArgumentError: An option that cannot be right; it says why.
        TrialFailedError: A trial ended without a result; those finished before it are kept.

    """
    planned = plan(options)
    if options.progress is not None:
        return run(planned, telling(options.progress, Started, Progressed, Finished))
    with shown_on(Console()) as watch:
        return run(planned, watch)


@dataclass(frozen=True)
class Plan:
    """What is to be compared, task by task, and where the files go."""

    comparisons: Sequence[Comparison]
    folder: Path
    several: bool

    @property
    def left_out(self) -> str:
        """Of the text, what was not read."""
        return next((c.text.left_out for c in self.comparisons if c.text), "")


def default_folder() -> Path:
    """Where results go if nobody says."""
    return Path("runs") / time.strftime("compare-%Y%m%d-%H%M%S")


def plan(options: Options) -> Plan:
    """Everything that can be wrong is found here, before anything runs.

    Raises:
        ArgumentError: An option that cannot be right.
    """
    tasks = task_names(options.task)
    text = None if options.text is None else Path(options.text)
    if text is not None and "lm" not in tasks:
        make = "makes its" if len(tasks) == 1 else "make their"
        raise ArgumentError(f"text= is for task='lm'; {', '.join(tasks)} {make} own sequences")
    configs = [make_config(name, options, chosen_device(options.device)) for name in tasks]
    if options.resume and options.out is None:
        raise ArgumentError("resume=True needs the folder to go on with: add out='DIR'")
    folder = default_folder() if options.out is None else Path(options.out)
    names = encoding_names(options.encodings)
    # A folder of several tasks can be given one more.
    several = len(tasks) > 1 or holds_tasks(folder)
    comparisons = []
    for config in configs:
        reads = config.task == "lm"
        workers = options.workers
        if workers is None:
            workers = default_workers(config.device, len(names) * options.seeds)
        comparisons.append(
            Comparison(
                encodings=names,
                seeds=range(options.seeds),
                config=config,
                text=load_text(text, window=config.eval_lengths[-1]) if reads else None,
                text_path=text if reads else None,
                out=folder / config.task if several else folder,
                workers=workers,
                resume=options.resume,
            )
        )
    return Plan(comparisons, folder, several)


def run(planned: Plan, watch: Watch) -> Compared:
    """Run what is missing and write the files; `watch` is told what happens."""
    if planned.several:
        found = compare_tasks(planned.comparisons, planned.folder, watch)
        return Compared(found, planned.folder, True)
    (one,) = planned.comparisons
    return Compared({one.config.task: compare_task(one, watch)}, planned.folder, False)

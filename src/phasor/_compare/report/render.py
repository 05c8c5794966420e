"""Fills the page."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise

from phasor._compare.report.figures import FIGURES, colours
from phasor._compare.report.heat_map import heat_map, names
from phasor._compare.results import Results
from phasor._compare.tasks import look_up_task
from phasor._compare.verdict import BREAKS, HOLDS, rank
from phasor._kit.page import fill
from phasor._kit.statistics import Estimate


def render_report(results: Results) -> str:
    """One self-contained HTML page that shows `results`."""
    lengths = [str(length) for length in results.config.eval_lengths]
    # Neighbours in the ranking at each length: the differences that its signs stand for.
    steps = {}
    for length in lengths:
        order = rank(results, length).split(" ")[::2]
        pairs = list(pairwise(order))
        steps[length] = [
            row
            for row in results.differences
            if row.length == length and (row.better, row.worse) in pairs
        ]
    task = look_up_task(results.config.task)
    left_out = set()
    if not task.has_running_text:
        left_out |= {"loss_against_position", "order_sensitivity"}
    if not task.has_one_answer:
        left_out |= {"exact_match_against_length"}
    if task.has_running_text or task.has_one_answer:
        left_out |= {"loss_against_length"}
    shown = [name for name in FIGURES if name not in left_out]
    figures = {name: FIGURES[name](results) for name in shown}
    return fill(
        "report.html.j2",
        figures,
        package="phasor._compare.report",
        filters=_FILTERS,
        results=results,
        config=results.config,
        settings=asdict(results.config),
        encodings=results.encodings,
        lengths=lengths,
        ranked=results.ranking,
        rankings={length: rank(results, length) for length in lengths},
        steps=steps,
        task=task,
        has_answers=task.has_one_answer,
        colours=colours(results),
        holds=HOLDS,
        breaks=BREAKS,
    )


def render_overview(tasks: Mapping[str, Results]) -> str:
    """One self-contained HTML page about all tasks, which links to that of each."""
    what = {name: look_up_task(name) for name in tasks}
    machines: dict[str, list[str]] = {}
    for name, task in tasks.items():
        versions = ", ".join(f"{library} {number}" for library, number in task.versions.items())
        machine = task.machine.gpu or task.machine.processor
        machines.setdefault(f"{versions}; {machine}", []).append(name)
    return fill(
        "overview.html.j2",
        {"heat_map": heat_map(tasks)},
        package="phasor._compare.report",
        filters=_FILTERS,
        tasks=tasks,
        what=what,
        encodings=names(tasks),
        num_columns=sum(len(task.config.eval_lengths) for task in tasks.values()),
        shares=[name for name, task in what.items() if task.has_one_answer],
        losses=[name for name, task in what.items() if not task.has_one_answer],
        machines=machines,
    )


def _nats(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate, digits: int = 3) -> str:
    """Half-width where the interval is symmetric, both bounds where it is not."""
    low, high, mean = estimate.low, estimate.high, estimate.mean
    if low is None or high is None:
        return ""
    if abs((high - mean) - (mean - low)) < 1e-9:
        return f"± {high - mean:.{digits}f}"
    return f"[{low:.2f}, {high:.2f}]"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 2**20:,.0f} MiB" if num_bytes < 2**33 else f"{num_bytes / 2**30:,.0f} GiB"


def _tiny(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}"


_FILTERS = {"nats": _nats, "interval": _interval, "size": _size, "tiny": _tiny}

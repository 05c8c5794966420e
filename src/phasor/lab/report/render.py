"""Fills the page."""

import json
from itertools import pairwise
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from phasor.lab.report.figures import FIGURES, colours
from phasor.lab.report.heat_map import heat_map, names
from phasor.lab.tasks import look_up_task
from phasor.lab.verdict import BREAKS, HOLDS, rank


def render_report(results: dict[str, Any]) -> str:
    """One self-contained HTML page that shows `results`, as `summarise` made them."""
    lengths = [str(length) for length in results["config"]["eval_lengths"]]
    # Neighbours in the ranking at each length: the differences that its signs stand for.
    steps = {}
    for length in lengths:
        order = rank(results, length).split(" ")[::2]
        pairs = list(pairwise(order))
        steps[length] = [
            row
            for row in results["differences"]
            if row["length"] == length and (row["better"], row["worse"]) in pairs
        ]
    task = look_up_task(results["config"]["task"])
    left_out = set()
    if not task.has_running_text:
        left_out |= {"loss_against_position", "order_sensitivity"}
    if not task.has_one_answer:
        left_out |= {"exact_match_against_length"}
    if task.has_running_text or task.has_one_answer:
        left_out |= {"loss_against_length"}
    shown = [name for name in FIGURES if name not in left_out]
    figures = {name: FIGURES[name](results).to_plotly_json() for name in shown}
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            results=results,
            config=results["config"],
            encodings=results["encodings"],
            lengths=lengths,
            ranked=results["ranking"],
            rankings={length: rank(results, length) for length in lengths},
            steps=steps,
            task=task,
            has_answers=task.has_one_answer,
            colours=colours(results),
            holds=HOLDS,
            breaks=BREAKS,
            figures=_script(figures),
            plotly=Markup(get_plotlyjs()),
        )
    )


def render_overview(results: dict[str, Any]) -> str:
    """One self-contained HTML page about all tasks of `results`, which links to that of each."""
    tasks = results["tasks"]
    what = {name: look_up_task(name) for name in tasks}
    machines: dict[str, list[str]] = {}
    for name, task in tasks.items():
        versions = ", ".join(f"{library} {number}" for library, number in task["versions"].items())
        machine = task["machine"]["gpu"] or task["machine"]["processor"]
        machines.setdefault(f"{versions}; {machine}", []).append(name)
    return (
        _environment()
        .get_template("overview.html.j2")
        .render(
            tasks=tasks,
            what=what,
            encodings=names(results),
            num_columns=sum(len(task["config"]["eval_lengths"]) for task in tasks.values()),
            shares=[name for name, task in what.items() if task.has_one_answer],
            losses=[name for name, task in what.items() if not task.has_one_answer],
            machines=machines,
            figures=_script({"heat_map": heat_map(results).to_plotly_json()}),
            plotly=Markup(get_plotlyjs()),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("phasor.lab.report", "."),
        autoescape=select_autoescape(["j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(nats=_nats, interval=_interval, size=_size, tiny=_tiny)
    return environment


def _script(figures: dict[str, dict[str, Any]]) -> Markup:
    """`figures` as JSON inside a script element, which `</` would end."""
    for figure in figures.values():
        # Plotly's default template carries colours of one theme; the page sets its own.
        figure["layout"].pop("template", None)
    return Markup(json.dumps(figures, default=_plain).replace("</", "<\\/"))


def _plain(value: object) -> object:
    convert = getattr(value, "to_plotly_json", None) or getattr(value, "tolist", None)
    if convert is None:
        raise TypeError(f"cannot write {type(value).__name__} as JSON")
    return convert()


def _nats(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: dict[str, Any], digits: int = 3) -> str:
    """Half-width where the interval is symmetric, both bounds where it is not."""
    low, high, mean = estimate["low"], estimate["high"], estimate["mean"]
    if low is None or high is None:
        return ""
    if abs((high - mean) - (mean - low)) < 1e-9:
        return f"± {high - mean:.{digits}f}"
    return f"[{low:.2f}, {high:.2f}]"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 2**20:,.0f} MiB" if num_bytes < 2**33 else f"{num_bytes / 2**30:,.0f} GiB"


def _tiny(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}"

"""The picture over several tasks: encodings against tasks and their lengths."""

from collections.abc import Mapping

import plotly.graph_objects as go

from phasor._compare.results import Cell, Results
from phasor._compare.tasks import look_up_task

# From bad to good; the ends are Okabe and Ito's, which most kinds of colour blindness keep apart.
_SCALE = [
    [0.0, "#d55e00"],
    [0.25, "#efb98f"],
    [0.5, "#f3efe9"],
    [0.75, "#9cc6e0"],
    [1.0, "#0072b2"],
]

_GAP = 0.4


def heat_map(tasks: Mapping[str, Results]) -> go.Figure:
    """One row per encoding, one column per task and length; the number is the mean over seeds.

    The colour of a share is the share itself. A loss has no natural ends: its colour runs from the
    worst to the best mean of the task.
    """
    encodings = names(tasks)
    figure = go.Figure()
    edges, ticks, labels = [0.0], [], []
    columns: list[tuple[str, str] | None] = []
    for name, task in tasks.items():
        if columns:
            columns.append(None)
            edges.append(edges[-1] + _GAP)
        start = edges[-1]
        for length in task.config.eval_lengths:
            columns.append((name, str(length)))
            ticks.append(edges[-1] + 0.5)
            labels.append(str(length))
            edges.append(edges[-1] + 1)
        figure.add_annotation(
            x=(start + edges[-1]) / 2, y=1, yref="paper", yshift=40, text=f"<b>{name}</b>",
            showarrow=False,
        )  # fmt: skip
    losses = {name: _losses(task) for name, task in tasks.items()}
    goodness, text, hover = [], [], []
    for encoding in encodings:
        cells = [column and _cell(tasks[column[0]], encoding, column[1])
                 for column in columns]  # fmt: skip
        pairs = list(zip(columns, cells, strict=True))
        goodness.append([_goodness(cell, losses[at[0]]) if at and cell else None
                         for at, cell in pairs])  # fmt: skip
        text.append([f"{cell.mean:.2f}" if cell else "" for cell in cells])
        hover.append([_words(encoding, at, cell) if at and cell else "" for at, cell in pairs])
    figure.add_heatmap(
        x=edges,
        y=encodings,
        z=goodness,
        text=text,
        texttemplate="%{text}",
        hovertext=hover,
        hovertemplate="%{hovertext}<extra></extra>",
        hoverongaps=False,
        colorscale=_SCALE,
        zmin=0,
        zmax=1,
        xgap=2,
        ygap=2,
        showscale=False,
    )
    figure.update_xaxes(
        side="top", showgrid=False, zeroline=False, fixedrange=True, tickvals=ticks,
        ticktext=labels, tickangle=0, ticks="",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, ticks="")
    figure.update_layout(hovermode="closest", margin={"t": 56, "b": 6})
    return figure


def names(tasks: Mapping[str, Results]) -> list[str]:
    """The encodings of all tasks, in the order in which they first appear."""
    return list(dict.fromkeys(name for task in tasks.values() for name in task.config.encodings))


def _cell(task: Results, encoding: str, length: str) -> Cell | None:
    if encoding not in task.encodings:
        return None
    summary = task.encodings[encoding]
    return (summary.exact_match or summary.loss)[length]


def _losses(task: Results) -> list[float]:
    """Every mean loss of a task that is judged by it."""
    if look_up_task(task.config.task).has_one_answer:
        return []
    return [cell.mean for summary in task.encodings.values() for cell in summary.loss.values()]


def _goodness(cell: Cell, losses: list[float]) -> float:
    if not losses:
        return cell.mean
    span = max(losses) - min(losses)
    return (max(losses) - cell.mean) / span if span else 1.0


def _words(encoding: str, at: tuple[str, str], cell: Cell) -> str:
    seeds = " · ".join(f"{seed:.3f}" for seed in cell.seeds)
    return f"{encoding}, {at[0]} at {at[1]}: {cell.mean:.3f}<br>seeds {seeds}"

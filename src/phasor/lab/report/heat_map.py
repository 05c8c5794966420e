"""The picture over several tasks: encodings against tasks and their lengths."""

from typing import Any

import plotly.graph_objects as go

from phasor.lab.tasks import look_up_task

# From bad to good; the ends are Okabe and Ito's, which most kinds of colour blindness keep apart.
_SCALE = [[0.0, "#d55e00"], [0.5, "#ece7df"], [1.0, "#0072b2"]]


def heat_map(results: dict[str, Any]) -> go.Figure:
    """One row per encoding, one column per task and length; the number is the mean over seeds.

    The colour of a share is the share itself. A loss has no natural ends: its colour runs from the
    worst to the best mean of the task.
    """
    encodings = names(results)
    columns = [
        (name, str(length))
        for name, task in results["tasks"].items()
        for length in task["config"]["eval_lengths"]
    ]
    cells = [[_cell(results["tasks"][task], row, n) for task, n in columns] for row in encodings]
    losses = {name: _losses(task) for name, task in results["tasks"].items()}
    colours = [
        [_goodness(cell, losses[task]) for cell, (task, _) in zip(row, columns, strict=True)]
        for row in cells
    ]
    figure = go.Figure(
        go.Heatmap(
            x=[[task for task, _ in columns], [length for _, length in columns]],
            y=encodings,
            z=colours,
            text=[["" if cell is None else f"{cell['mean']:.2f}" for cell in row] for row in cells],
            customdata=[[_seeds(cell) for cell in row] for row in cells],
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{text}<br>seeds %{customdata}<extra></extra>",
            colorscale=_SCALE,
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    )
    figure.update_xaxes(side="top", showgrid=False, fixedrange=True, tickangle=0)
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True)
    figure.update_layout(hovermode="closest")
    return figure


def names(results: dict[str, Any]) -> list[str]:
    """The encodings of all tasks, in the order in which they first appear."""
    tasks = results["tasks"].values()
    return list(dict.fromkeys(name for task in tasks for name in task["config"]["encodings"]))


def _cell(task: dict[str, Any], encoding: str, length: str) -> dict[str, Any] | None:
    if encoding not in task["encodings"]:
        return None
    summary = task["encodings"][encoding]
    return (summary["exact_match"] or summary["loss"])[length]


def _losses(task: dict[str, Any]) -> list[float]:
    """Every mean loss of a task that is judged by it."""
    if look_up_task(task["config"]["task"]).has_one_answer:
        return []
    return [
        cell["mean"] for summary in task["encodings"].values() for cell in summary["loss"].values()
    ]


def _goodness(cell: dict[str, Any] | None, losses: list[float]) -> float | None:
    if cell is None:
        return None
    if not losses:
        return cell["mean"]
    span = max(losses) - min(losses)
    return (max(losses) - cell["mean"]) / span if span else 1.0


def _seeds(cell: dict[str, Any] | None) -> str:
    return "" if cell is None else " · ".join(f"{seed:.3f}" for seed in cell["seeds"])

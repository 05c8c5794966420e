"""The pictures of an extension. Colours of text and grid are the page's."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import plotly.graph_objects as go

from phasor._extend.explain import Explanation, TableExplanation
from phasor._extend.findings import LOSS_TOLERANCE
from phasor._extend.search import Searched
from phasor._extend.verdict import Verdict

_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#a6761d",
    "#b0413e", "#7a9a2e",
)  # fmt: skip
_GREY = "#8a8f98"
EXCESS_SHOWN = 0.5
"""Nats above the reference at which that picture ends."""


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each candidate, grey for the model as it is."""
    others = [name for name in names if name != "none"]
    return {"none": _GREY, **{n: _COLOURS[at % len(_COLOURS)] for at, n in enumerate(others)}}


def loss_by_position(verdict: Verdict, trained_length: int) -> go.Figure:
    """Loss of each candidate along the document, beside that with the context cut."""
    figure = go.Figure()
    if verdict.reference:
        figure.add_scatter(
            x=_middles(verdict), y=verdict.reference, name="context cut", mode="lines",
            line={"color": _GREY, "width": 1.5, "dash": "dash"}, hovertemplate="%{y:.3f}",
        )  # fmt: skip
    losses = {finding.name: finding.loss for finding in verdict.findings}
    _along(figure, verdict, losses, ".3f")
    _mark(figure, trained_length)
    figure.update_yaxes(title="loss (nats per token)")
    return figure


def excess_by_position(verdict: Verdict, trained_length: int) -> go.Figure:
    """How much each candidate lies above the reference, and the line that it must stay below.

    With the interval of each bin, where there is one.
    """
    figure = go.Figure()
    excess = {finding.name: finding.excess for finding in verdict.findings if finding.excess}
    intervals = {finding.name: finding.excess_interval for finding in verdict.findings}
    _along(figure, verdict, excess, "+.3f", intervals)
    figure.add_hline(y=LOSS_TOLERANCE, line={"dash": "dot", "width": 1.5, "color": "#b3261e"})
    _mark(figure, trained_length)
    bounds = [bound for pairs in intervals.values() for pair in pairs for bound in pair]
    means = [mean for values in excess.values() for mean in values]
    least = min(*means, max(min(bounds, default=0.0), -EXCESS_SHOWN))
    most = max(*means, *bounds)
    # What breaks altogether would press the others onto the axis; the figure above shows it whole.
    top = min(max(most, 2 * LOSS_TOLERANCE), EXCESS_SHOWN)
    figure.update_yaxes(title="nats above the reference", range=[least - 0.05 * top, 1.05 * top])
    return figure


def pair_speeds(explanation: Explanation) -> go.Figure:
    """How fast each pair turns at the target, as a share of what it did."""
    figure = go.Figure()
    _lines(figure, explanation.ratios)
    if explanation.incomplete:
        figure.add_vrect(
            x0=explanation.incomplete[0] - 0.5, x1=len(explanation.wavelengths) - 0.5,
            line_width=0, fillcolor="#d55e00", opacity=0.10,
        )  # fmt: skip
        figure.add_annotation(
            x=len(explanation.wavelengths) - 0.5, y=0.96, text="no full turn",
            showarrow=False, xanchor="right", yanchor="top",
        )  # fmt: skip
    figure.update_xaxes(title="pair of channels, fastest first")
    figure.update_yaxes(title="speed, as a share of before", rangemode="tozero")
    return figure


def row_similarity(explanation: TableExplanation) -> go.Figure:
    """How alike rows of a table are, by their distance, before and after."""
    figure = go.Figure()
    _lines(figure, explanation.similarity)
    figure.update_xaxes(title="distance (positions)")
    figure.update_yaxes(title="mean cosine of two rows")
    return figure


def passkeys(verdict: Verdict) -> go.Figure:
    """Share of pass keys found, by length."""
    figure = go.Figure()
    colour = colours([finding.name for finding in verdict.findings])
    for finding in verdict.findings:
        if finding.passkeys:
            figure.add_scatter(
                x=list(finding.passkeys),
                y=[right / asked for right, asked in finding.passkeys.values()],
                name=finding.name, mode="lines+markers",
                line={"color": colour[finding.name], "width": 2.2}, hovertemplate="%{y:.0%}",
            )  # fmt: skip
    figure.update_xaxes(title="length of the prompt (tokens)", rangemode="tozero")
    figure.update_yaxes(title="pass keys found", range=[-0.04, 1.04], tickformat=".0%")
    return figure


def search_trials(searched: Mapping[str, Searched], colour: Mapping[str, str]) -> go.Figure:
    """Loss of each setting that was tried, hollow where it was stopped early; the least so far.

    Args:
        searched: By candidate, what was found.
        colour: By candidate.
    """
    figure = go.Figure()
    for name, found in searched.items():
        tried = [
            (at, loss, pruned)
            for at, (loss, pruned) in enumerate(found.tried, 1)
            if loss is not None
        ]
        best = min((one for one in tried if not one[2]), key=lambda one: one[1])
        symbols = [
            "star" if one is best else "circle-open" if one[2] else "circle" for one in tried
        ]
        figure.add_scatter(
            x=[at for at, _, _ in tried], y=[loss for _, loss, _ in tried], name=name,
            mode="markers", legendgroup=name, hovertemplate="%{y:.4f}",
            marker={
                "symbol": symbols, "size": [15 if s == "star" else 7 for s in symbols],
                "color": colour[name],
            },
        )  # fmt: skip
        whole = [(at, loss) for at, loss, pruned in tried if not pruned]
        figure.add_scatter(
            x=[at for at, _ in whole], y=list(accumulate((loss for _, loss in whole), min)),
            mode="lines", legendgroup=name, showlegend=False, hoverinfo="skip",
            line={"color": colour[name], "width": 1.2, "shape": "hv"},
        )  # fmt: skip
    figure.update_xaxes(title="setting tried")
    figure.update_yaxes(title="loss (nats per token)")
    return figure


def training_loss(losses: Sequence[float]) -> go.Figure:
    """Loss of each step of fine-tuning, and its mean over the steps around it."""
    figure = go.Figure()
    steps = list(range(1, len(losses) + 1))
    reach = max(1, len(losses) // 20)
    around = [losses[max(0, at - reach) : at + reach + 1] for at in range(len(losses))]
    figure.add_scatter(
        x=steps, y=losses, name="each step", mode="markers", marker={"color": _GREY, "size": 5},
        hovertemplate="%{y:.3f}",
    )  # fmt: skip
    figure.add_scatter(
        x=steps, y=[sum(part) / len(part) for part in around], name="mean of those around",
        mode="lines", line={"color": _COLOURS[0], "width": 2.2}, hovertemplate="%{y:.3f}",
    )  # fmt: skip
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(title="loss (nats per token)")
    return figure


def _along(
    figure: go.Figure,
    verdict: Verdict,
    values: Mapping[str, Sequence[float]],
    digits: str,
    intervals: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> None:
    """A line for each candidate over the positions of the document, with these intervals."""
    middles = _middles(verdict)
    colour = colours([finding.name for finding in verdict.findings])
    for name, row in values.items():
        around = (intervals or {}).get(name)
        bars = around and {
            "array": [high - mean for mean, (_, high) in zip(row, around, strict=True)],
            "arrayminus": [mean - low for mean, (low, _) in zip(row, around, strict=True)],
            "thickness": 1, "width": 2,
        }  # fmt: skip
        if row:
            figure.add_scatter(
                x=middles[: len(row)], y=row, name=name, mode="lines+markers",
                line={"color": colour[name], "width": 2.2}, marker={"size": 5},
                hovertemplate=f"%{{y:{digits}}}", error_y=bars or None,
            )  # fmt: skip
    figure.update_xaxes(title="position in the document (tokens)", rangemode="tozero")


def _lines(figure: go.Figure, values: Mapping[str, Sequence[float]]) -> None:
    """A line for each candidate over 0, 1, 2, ..."""
    colour = colours(list(values))
    for name, row in values.items():
        figure.add_scatter(
            x=list(range(len(row))), y=list(row), name=name, mode="lines",
            line={"color": colour[name], "width": 2.2}, hovertemplate="%{y:.3f}",
        )  # fmt: skip


def _middles(verdict: Verdict) -> list[float]:
    return [(a + b) / 2 for a, b in zip(verdict.edges, verdict.edges[1:], strict=False)]


def _mark(figure: go.Figure, length: int) -> None:
    figure.add_vline(x=length, line={"dash": "dot", "width": 1.5, "color": _GREY})
    figure.add_annotation(
        x=length, y=1, yref="paper", text="trained length", textangle=-90, showarrow=False,
        xanchor="right", xshift=-2, yanchor="top",
    )  # fmt: skip

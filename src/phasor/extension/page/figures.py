"""The pictures of an extension. Colours of text and grid are the page's."""

import plotly.graph_objects as go

from phasor.extension.explain import Explanation
from phasor.extension.verdict import LOSS_TOLERANCE, Verdict

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#a6761d")
_GREY = "#8a8f98"
EXCESS_SHOWN = 0.5
"""Nats above the reference at which that picture ends."""


def colours(names: list[str]) -> dict[str, str]:
    """A colour for each candidate, grey for the model as it is."""
    others = [name for name in names if name != "none"]
    return {"none": _GREY, **{n: _COLOURS[at % len(_COLOURS)] for at, n in enumerate(others)}}


def loss_by_position(verdict: Verdict, trained_length: int) -> go.Figure:
    """Loss of each candidate along the document, beside that with the context cut."""
    figure = go.Figure()
    middles = [(a + b) / 2 for a, b in zip(verdict.edges, verdict.edges[1:], strict=False)]
    if verdict.reference:
        figure.add_scatter(
            x=middles, y=verdict.reference, name="context cut", mode="lines",
            line={"color": _GREY, "width": 1.5, "dash": "dash"}, hovertemplate="%{y:.3f}",
        )  # fmt: skip
    colour = colours([finding.name for finding in verdict.findings])
    for finding in verdict.findings:
        if finding.loss:
            figure.add_scatter(
                x=middles, y=finding.loss, name=finding.name, mode="lines+markers",
                line={"color": colour[finding.name], "width": 2.2}, marker={"size": 5},
                hovertemplate="%{y:.3f}",
            )  # fmt: skip
    _mark(figure, trained_length)
    figure.update_xaxes(title="position in the document (tokens)", rangemode="tozero")
    figure.update_yaxes(title="loss (nats per token)")
    return figure


def excess_by_position(verdict: Verdict, trained_length: int) -> go.Figure:
    """How much each candidate lies above the reference, and the line that it must stay below."""
    figure = go.Figure()
    middles = [(a + b) / 2 for a, b in zip(verdict.edges, verdict.edges[1:], strict=False)]
    colour = colours([finding.name for finding in verdict.findings])
    for finding in verdict.findings:
        if finding.excess:
            figure.add_scatter(
                x=middles, y=finding.excess, name=finding.name, mode="lines+markers",
                line={"color": colour[finding.name], "width": 2.2}, marker={"size": 5},
                hovertemplate="%{y:+.3f}",
            )  # fmt: skip
    figure.add_hline(y=LOSS_TOLERANCE, line={"dash": "dot", "width": 1.5, "color": "#b3261e"})
    _mark(figure, trained_length)
    figure.update_xaxes(title="position in the document (tokens)", rangemode="tozero")
    least = min(min(finding.excess) for finding in verdict.findings if finding.excess)
    most = max(max(finding.excess) for finding in verdict.findings if finding.excess)
    # What breaks altogether would press the others onto the axis; the figure above shows it whole.
    top = min(max(most, 2 * LOSS_TOLERANCE), EXCESS_SHOWN)
    figure.update_yaxes(title="nats above the reference", range=[least - 0.05 * top, 1.05 * top])
    return figure


def pair_speeds(explanation: Explanation) -> go.Figure:
    """How fast each pair turns at the target, as a share of what it did."""
    figure = go.Figure()
    colour = colours(list(explanation.ratios))
    for name, ratios in explanation.ratios.items():
        figure.add_scatter(
            x=list(range(len(ratios))), y=list(ratios), name=name, mode="lines",
            line={"color": colour[name], "width": 2.2}, hovertemplate="%{y:.3f}",
        )  # fmt: skip
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


def _mark(figure: go.Figure, length: int) -> None:
    figure.add_vline(x=length, line={"dash": "dot", "width": 1.5, "color": _GREY})
    figure.add_annotation(
        x=length, y=1, yref="paper", text="trained length", textangle=-90, showarrow=False,
        xanchor="right", xshift=-2, yanchor="top",
    )  # fmt: skip

"""The pictures of the report. Colours of text and grid are the page's, which has two themes."""

from collections.abc import Callable

import plotly.graph_objects as go

from phasor._compare.results import Results

# Okabe and Ito's colours, which most kinds of colour blindness keep apart, darkest yellow left out.
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c6bb1",
    "#a6761d",
    "#66a61e",
    "#e7298a",
)
_NO_ENCODING = "#8a8f98"
_BAND_OPACITY = 0.18
_DASHES = ("solid", "dash", "dot", "longdash", "dashdot")


def colours(results: Results) -> dict[str, str]:
    """A colour for each encoding, grey for none."""
    names = [name for name in results.encodings if name != "none"]
    named = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(names)}
    return {"none": _NO_ENCODING, **named}


def loss_against_position(results: Results) -> go.Figure:
    """Held-out loss by position in a long window; where each curve leaves the others, it breaks."""
    figure = _curves(results, "loss_by_position")
    length = results.config.train_length
    figure.add_vline(x=length, line={"dash": "dot", "width": 1.5, "color": "#8a8f98"})
    figure.add_annotation(
        x=length,
        y=1,
        yref="paper",
        text="training length",
        showarrow=False,
        xanchor="left",
        xshift=6,
        yanchor="top",
    )
    figure.update_xaxes(title="position in the window (tokens)", rangemode="tozero")
    figure.update_yaxes(title=f"loss (nats per {results.unit})")
    return figure


def exact_match_against_length(results: Results) -> go.Figure:
    """Share of sequences answered exactly, by length; every seed is a dot."""
    figure = _against_length(results, "exact_match")
    figure.update_yaxes(title="exact match", range=[-0.04, 1.04])
    return figure


def loss_against_length(results: Results) -> go.Figure:
    """Loss by length; every seed is a dot."""
    figure = _against_length(results, "loss")
    figure.update_yaxes(title=f"loss (nats per {results.unit})", rangemode="tozero")
    return figure


def learning_curves(results: Results) -> go.Figure:
    """Training loss by step."""
    figure = _curves(results, "learning_curve")
    figure.update_xaxes(title="step", rangemode="tozero")
    # The first steps fall from the same height for all and would flatten everything after them.
    late = [
        mean
        for summary in results.encodings.values()
        for at, mean in zip(summary.learning_curve.at, summary.learning_curve.mean, strict=True)
        if at > results.config.steps / 10
    ]
    room = 0.1 * (max(late) - min(late))
    figure.update_yaxes(
        title=f"training loss (nats per {results.unit})",
        range=[min(late) - room, max(late) + room],
    )
    return figure


def order_sensitivity(results: Results) -> go.Figure:
    """How far back the order of two neighbours still matters to the prediction."""
    figure = _curves(results, "order_sensitivity", mode="lines+markers")
    figure.update_xaxes(title="tokens back from the end", type="log", dtick=0.30103)
    figure.update_yaxes(title="change of the prediction", rangemode="tozero")
    distances = [
        at for summary in results.encodings.values() for at in summary.order_sensitivity.at
    ]
    ticks = sorted(set(distances))
    figure.update_xaxes(tickvals=ticks, ticktext=[str(tick) for tick in ticks])
    return figure


def score_against_distance(results: Results) -> go.Figure:
    """What the first layer's score makes of distance, on average over pairs of tokens and heads."""
    figure = _curves(results, "score_by_distance")
    figure.update_xaxes(title="distance from query to key (tokens)", rangemode="tozero")
    figure.update_yaxes(title="mean score, centred (logits)")
    return figure


def cost(results: Results) -> go.Figure:
    """Training speed: the median of all seeds."""
    colour = colours(results)
    names = list(results.encodings)
    speeds = [results.encodings[name].tokens_per_second for name in names]
    figure = go.Figure(
        go.Bar(
            x=speeds,
            y=names,
            orientation="h",
            marker={"color": [colour[name] for name in names]},
            text=[f"{speed:,.0f}" for speed in speeds],
            textposition="auto",
        )
    )
    figure.update_xaxes(title="training tokens per second")
    figure.update_yaxes(autorange="reversed")
    return figure


FIGURES: dict[str, Callable[[Results], go.Figure]] = {
    "loss_against_position": loss_against_position,
    "exact_match_against_length": exact_match_against_length,
    "loss_against_length": loss_against_length,
    "learning_curves": learning_curves,
    "order_sensitivity": order_sensitivity,
    "score_against_distance": score_against_distance,
    "cost": cost,
}


def _against_length(results: Results, quantity: str) -> go.Figure:
    """A line per encoding through the means of `quantity` at each length, a dot for each seed."""
    figure = go.Figure()
    colour = colours(results)
    lengths = results.config.eval_lengths
    for at, (name, summary) in enumerate(results.encodings.items()):
        # Many curves lie on 0 or on 1: dashes let those below show through. Where colours come
        # round again, dashes are one further.
        dash = _DASHES[(at + at // len(_COLOURS)) % len(_DASHES)]
        cells = [getattr(summary, quantity)[str(length)] for length in lengths]
        figure.add_scatter(
            x=lengths,
            y=[cell.mean for cell in cells],
            name=name,
            legendgroup=name,
            mode="lines",
            line={"color": colour[name], "width": 2.5, "dash": dash},
        )
        seeds = [(n, y) for n, cell in zip(lengths, cells, strict=True) for y in cell.seeds]
        figure.add_scatter(
            x=[x for x, _ in seeds],
            y=[y for _, y in seeds],
            name=name,
            legendgroup=name,
            mode="markers",
            marker={"color": colour[name], "size": 7, "opacity": 0.6},
            showlegend=False,
            hoverinfo="skip",
        )
    figure.add_vline(
        x=results.config.train_length, line={"dash": "dot", "width": 1.5, "color": "#8a8f98"}
    )
    figure.update_xaxes(title="length", tickvals=lengths)
    return figure


def _curves(results: Results, quantity: str, *, mode: str = "lines") -> go.Figure:
    """One line per encoding through the means of `quantity`, over the band of its intervals."""
    figure = go.Figure()
    colour = colours(results)
    for name, summary in results.encodings.items():
        curve = getattr(summary, quantity)
        if curve.low and None not in curve.low:
            figure.add_scatter(
                x=curve.at + curve.at[::-1],
                y=curve.high + curve.low[::-1],
                name=name,
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
                mode="lines",
                fill="toself",
                line={"width": 0},
                fillcolor=_transparent(colour[name]),
            )
    for at, (name, summary) in enumerate(results.encodings.items()):
        curve = getattr(summary, quantity)
        dash = _DASHES[at // len(_COLOURS) % len(_DASHES)]
        figure.add_scatter(
            x=curve.at,
            y=curve.mean,
            name=name,
            legendgroup=name,
            mode=mode,
            line={"color": colour[name], "width": 2.2, "dash": dash},
            hovertemplate="%{y:.3f}",
        )
    return figure


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_BAND_OPACITY})"

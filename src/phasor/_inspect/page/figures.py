"""The pictures of a rotary encoding. Colours of text and grid are the page's."""

import math
from itertools import pairwise

import plotly.graph_objects as go
import torch

from phasor._inspect.rotation import Rotation, plain_frequencies, scaled_frequencies
from phasor._inspect.rounding import rounding_at
from phasor._words import number
from phasor.rotary import Frequencies
from phasor.rotary.phase import angles

_SEEN, _UNSEEN, _PLAIN, _GREY = "#0072b2", "#d55e00", "#8a8f98", "#8a8f98"
_SHORTEST_ERROR = 1e-8
_BINS, _IN_EACH = 120, 64
_FARTHEST_SCORE = 2**20


def wavelengths(rotation: Rotation) -> go.Figure:
    """Tokens in which each pair turns once, before and after scaling."""
    figure = go.Figure()
    turning = [at for at, pair in enumerate(rotation.pairs) if not math.isinf(pair.wavelength)]
    never = set(rotation.never_around)
    if rotation.rotary.scaling is not None:
        figure.add_scatter(
            x=turning,
            y=[rotation.pairs[at].wavelength / rotation.pairs[at].slowed for at in turning],
            name="before scaling",
            mode="lines",
            line={"color": _PLAIN, "width": 1.5, "dash": "dash"},
            hovertemplate="%{y:,.4~r} tokens",
        )
    for name, chosen, colour in (
        ("goes around in training", [p for p in turning if p not in never], _SEEN),
        ("never does", [p for p in turning if p in never], _UNSEEN),
    ):
        if chosen:
            figure.add_scatter(
                x=chosen,
                y=[rotation.pairs[at].wavelength for at in chosen],
                name=name if rotation.trained_length is not None else "wavelength",
                mode="markers",
                marker={"color": colour, "size": 7},
                hovertemplate="%{y:,.4~r} tokens",
            )
    local = rotation.met != rotation.trained_length
    _mark(figure, rotation.met, "tokens seen" if local else "trained context")
    if rotation.reach != rotation.met:
        _mark(figure, rotation.reach, "looked at for")
    figure.update_xaxes(title="pair of channels")
    figure.update_yaxes(title="tokens a turn", type="log", tickformat="~s")
    return figure


def coverage(rotation: Rotation) -> go.Figure:
    """The part of a turn that each pair met in training, and meets anew at the length."""
    pairs = list(range(len(rotation.pairs)))
    seen = [min(1.0, pair.turns_trained or 0.0) for pair in rotation.pairs]
    unseen = [pair.unseen or 0.0 for pair in rotation.pairs]
    figure = go.Figure()
    figure.add_bar(
        x=pairs,
        y=seen,
        name="met in training",
        marker={"color": _SEEN, "line": {"width": 0}},
        hovertemplate="%{y:.1%}",
    )
    figure.add_bar(
        x=pairs,
        y=unseen,
        name=f"new at {number(rotation.length or 0)} tokens",
        marker={"color": _UNSEEN, "line": {"width": 0}},
        hovertemplate="%{y:.1%}",
        showlegend=True,
    )
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_xaxes(title="pair of channels")
    figure.update_yaxes(title="part of a turn", tickformat=".0%", range=[0, 1.02])
    return figure


def score_by_distance(rotation: Rotation) -> go.Figure:
    """The mean cosine over pairs: the score of a key like the query, by distance."""
    reach = min(rotation.reach or 1, _FARTHEST_SCORE)
    distances = _distances(reach)
    figure = go.Figure()
    curves: list[tuple[str, Frequencies, str, str]] = []
    if rotation.rotary.scaling is not None:
        plain = plain_frequencies(rotation.rotary, rotation.trained_from)
        curves.append(("before scaling", plain, _PLAIN, "dash"))
    scaled = scaled_frequencies(rotation.rotary, rotation.length)
    curves.append(("as it is", scaled, _SEEN, "solid"))
    for name, frequencies, colour, dash in curves:
        figure.add_scatter(
            x=[sum(some) / len(some) for some in distances],
            y=_mean_cosine(frequencies, distances),
            name=name,
            mode="lines",
            line={"color": colour, "width": 2.2, "dash": dash},
            hovertemplate="%{y:.3f}",
        )
    if rotation.trained_length is not None and rotation.trained_length < reach:
        figure.add_vline(
            x=rotation.trained_length, line={"dash": "dot", "width": 1.5, "color": _GREY}
        )
    figure.update_xaxes(title="distance (tokens)", type="log", tickformat="~s")
    figure.update_yaxes(title="mean cosine of all pairs")
    return figure


def errors_by_position(rotation: Rotation) -> go.Figure:
    """The worst error of any pair's angle, in float32 and with frequencies in bfloat16."""
    longest = max(rotation.length or 1, 2)
    lengths = [2**power for power in range(4, math.ceil(math.log2(longest)))] + [longest]
    frequencies = scaled_frequencies(rotation.rotary, rotation.length)
    found = [rounding_at(frequencies, length) for length in lengths]
    figure = go.Figure()
    for name, worst, colour in (
        ("frequencies in bfloat16", [rounding.bfloat16 for rounding in found], _UNSEEN),
        ("product in float32", [rounding.float32 for rounding in found], _SEEN),
    ):
        figure.add_scatter(
            x=lengths,
            y=[max(error, _SHORTEST_ERROR) for error in worst],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2.2},
            hovertemplate="%{y:.2g} rad",
        )
    figure.update_xaxes(title="position (tokens)", type="log", tickformat="~s")
    figure.update_yaxes(title="worst error of an angle (rad)", type="log", exponentformat="power")
    return figure


def _mark(figure: go.Figure, tokens: int | None, name: str) -> None:
    if tokens is None:
        return
    figure.add_hline(y=tokens, line={"dash": "dot", "width": 1.5, "color": _GREY})
    figure.add_annotation(
        x=0,
        xref="paper",
        y=math.log10(tokens),
        text=f"{name}: {number(tokens)}",
        showarrow=False,
        xanchor="left",
        xshift=6,
        yanchor="bottom",
    )


def _distances(reach: int) -> list[list[int]]:
    """Some of the distances in each of many bins of equal ratio: one alone would be noise."""
    ratio = max(reach, 2) ** (1 / _BINS)
    edges = sorted({min(reach, round(ratio**at)) for at in range(_BINS + 1)})
    bins = [range(low, high) for low, high in pairwise(edges)]
    return [list(some[:: max(1, len(some) // _IN_EACH)]) for some in bins]


def _mean_cosine(frequencies: Frequencies, distances: list[list[int]]) -> list[float]:
    flat = frequencies.with_inv_freq(frequencies.inv_freq.sum(0, keepdim=True))
    return [
        angles(torch.tensor(some, device="cpu"), flat).cos().mean().item() for some in distances
    ]

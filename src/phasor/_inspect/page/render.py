"""Fills the page."""

from typing import Any

import plotly.graph_objects as go

from phasor._inspect.finding import link
from phasor._inspect.inspect import Inspection
from phasor._inspect.page.figures import (
    coverage,
    errors_by_position,
    score_by_distance,
    wavelengths,
)
from phasor._inspect.rotation import Rotation
from phasor._inspect.sentences import (
    headline,
    layer_lines,
    rotation_lines,
    rotation_title,
    travel_line,
)
from phasor._kit.page import fill

_MOST_ROTATIONS = 8
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#a6761d")


def render_page(inspection: Inspection) -> str:
    """One self-contained HTML page about `inspection`, its towers below it."""
    figures: dict[str, go.Figure] = {}
    stacks = [_stack(stack, figures) for stack in _all(inspection)]
    return fill(
        "inspect.html.j2",
        figures,
        package="phasor._inspect.page",
        filters={"link": link},
        model=inspection.spec.model,
        stacks=stacks,
        spec=inspection.spec.to_json(),
    )


def _all(inspection: Inspection) -> list[Inspection]:
    return [inspection, *(below for tower in inspection.towers for below in _all(tower))]


def _stack(inspection: Inspection, figures: dict[str, go.Figure]) -> dict[str, Any]:
    shown = list(zip(inspection.rotations, inspection.roundings, strict=True))[:_MOST_ROTATIONS]
    return {
        "headline": headline(inspection),
        "lines": layer_lines(inspection),
        "travel": travel_line(inspection),
        "map": _layer_map(inspection),
        "rotations": [
            {
                "title": rotation_title(inspection, rotation),
                "lines": rotation_lines(rotation, rounding),
                "plots": _draw(rotation, figures),
            }
            for rotation, rounding in shown
        ],
        "left_out": len(inspection.rotations) - len(shown),
        "findings": inspection.findings,
    }


def _layer_map(inspection: Inspection) -> list[dict[str, Any]]:
    """A tile for each layer, in the colour of its group."""
    tiles = [
        {"layer": layer, "colour": _COLOURS[at % len(_COLOURS)], "words": group.words}
        for at, group in enumerate(inspection.groups)
        for layer in group.layers
    ]
    return sorted(tiles, key=lambda tile: tile["layer"])


def _draw(rotation: Rotation, figures: dict[str, go.Figure]) -> list[dict[str, str]]:
    """Add the pictures that make sense to `figures`; their places, titles and captions."""
    wanted = {"wavelengths": wavelengths}
    if rotation.length is not None and rotation.trained_length is not None:
        wanted |= {"coverage": coverage, "score": score_by_distance, "errors": errors_by_position}
    at, places = len(figures), []
    for name, draw in wanted.items():
        place = f"{name}-{at}"
        figures[place] = draw(rotation)
        places.append({"id": place, "title": _TITLES[name], "caption": _CAPTIONS[name]})
    return places


_TITLES = {
    "wavelengths": "Wavelengths",
    "coverage": "Angles met",
    "score": "Score against distance",
    "errors": "Rounding",
}
_CAPTIONS = {
    "wavelengths": "Tokens in which each pair of channels turns once. Pairs above the trained "
    "context never saw all their angles in it.",
    "coverage": "How much of a turn each pair met in the trained context, and what it meets anew "
    "at the length looked at. No orange: every angle is known from training.",
    "score": "What rotation alone makes of a key like the query: the mean cosine of all pairs, "
    "over neighbouring distances.",
    "errors": "Worst error among the last 256 positions before each. Half a turn is 3.14: nothing "
    "is left of the angle.",
}

"""One page that opens from disk: a template, its pictures, and the look that all pages share."""

import json
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from plotly.offline import get_plotlyjs

_HOME = "phasor._kit"


def fill(
    template: str,
    figures: Mapping[str, go.Figure],
    *,
    package: str,
    filters: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """One self-contained HTML page.

    Args:
        template: Name of a file in `package` that extends `base.html.j2`.
        figures: By the id of the element that shows each.
        package: Where `template` is.
        filters: Of the template.
        values: What the template shows.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(_HOME, ".")]),
        autoescape=select_autoescape(["j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(template).render(
        **values, figures=_script(figures), plotly=Markup(get_plotlyjs())
    )


def _script(figures: Mapping[str, go.Figure]) -> Markup:
    """`figures` as JSON inside a script element, which `</` would end."""
    plain = {name: figure.to_plotly_json() for name, figure in figures.items()}
    for figure in plain.values():
        # Plotly's default template carries colours of one theme; the page sets its own.
        figure["layout"].pop("template", None)
    return Markup(json.dumps(plain, default=_plain).replace("</", "<\\/"))


def _plain(value: object) -> object:
    convert = getattr(value, "to_plotly_json", None) or getattr(value, "tolist", None)
    if convert is None:
        raise TypeError(f"cannot write {type(value).__name__} as JSON")
    return convert()

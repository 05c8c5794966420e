"""Loss by position: a learned table beyond its trained rows."""

from typing import Any

from compared import command, comparison, thinned
from picture import picture, series


def make() -> dict[str, Any]:
    """Of the learned table, and of ALiBi, which needs no row for each position."""
    found = comparison("encodings").encodings
    curves = {name: thinned(found[name].loss_by_position) for name in ("learned", "alibi")}
    return picture(
        "Loss at each position of a text of 512 tokens, after training on 64",
        x=("position", curves["learned"].at),
        y="held-out loss (nats per byte)",
        curves=[series(name, curve.mean, curve.low, curve.high) for name, curve in curves.items()],
        command=command("encodings"),
    )

"""How the score of the same two tokens depends on their distance, after training."""

from typing import Any

from compared import command, comparison
from picture import picture, series

_NAMES = {"alibi": "ALiBi", "t5": "T5"}


def make() -> dict[str, Any]:
    """Mean over heads and token pairs, less its mean over distances; first layer."""
    found = comparison("biases").encodings
    curves = {label: found[name].score_by_distance for name, label in _NAMES.items()}
    return picture(
        "Score of the same two tokens by distance, after training on 64 (first layer)",
        x=("distance (tokens)", curves["ALiBi"].at),
        y="score, less its mean",
        curves=[
            series(label, curve.mean, curve.low, curve.high) for label, curve in curves.items()
        ],
        command=command("biases"),
    )

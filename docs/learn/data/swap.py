"""How much the next prediction changes when two earlier neighbours change places."""

from collections.abc import Sequence
from typing import Any

from compared import command, comparison
from picture import picture, series

_CURVES = (
    ("no encoding, one layer", "one_layer", "none"),
    ("no encoding, two layers", "encodings", "none"),
    ("rotary, one layer", "one_layer", "rotary"),
    ("rotary, two layers", "encodings", "rotary"),
)


_ROUNDING = 1e-6


def without_rounding(values: Sequence[float | None]) -> list[float | None]:
    """Less than float32 can tell is nothing, on any machine."""
    return [0.0 if value is not None and abs(value) < _ROUNDING else value for value in values]


def make() -> dict[str, Any]:
    """Total variation of the next-token distribution, 0 to 1, by how far back the swap was."""
    found = {name: comparison(run).encodings[key].order_sensitivity for name, run, key in _CURVES}
    distances = next(iter(found.values())).at
    return picture(
        "What a trained model notices when two neighbours further back change places",
        x=("tokens back", distances),
        y="change of the next prediction, 0 to 1",
        curves=[
            series(name, *map(without_rounding, (curve.mean, curve.low, curve.high)))
            for name, curve in found.items()
        ],
        command=f"{command('one_layer')}\n{command('encodings')}",
        log=True,
    )

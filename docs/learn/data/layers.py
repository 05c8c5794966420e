"""Loss with one layer and with two, without an encoding and with one."""

from typing import Any

from compared import command, comparison
from picture import picture, series


def make() -> dict[str, Any]:
    """At the training length; the mean of the seeds with its interval."""
    runs = [comparison("one_layer"), comparison("encodings")]
    curves = []
    for name, label in (("none", "no encoding"), ("rotary", "rotary")):
        cells = [run.encodings[name].loss[str(run.config.train_length)] for run in runs]
        means, low, high = zip(*((cell.mean, cell.low, cell.high) for cell in cells), strict=True)
        curves.append(series(label, means, low, high))
    return picture(
        "Loss at the training length of 64 tokens, with one layer and with two",
        x=("layers", [run.config.layers for run in runs]),
        y="held-out loss (nats per byte)",
        curves=curves,
        command=f"{command('one_layer')}\n{command('encodings')}",
    )

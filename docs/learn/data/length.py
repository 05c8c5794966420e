"""Loss by length of models that were trained on 64 tokens."""

from typing import Any

from compared import command, comparison
from picture import picture, series


def by_length(run: str) -> dict[str, Any]:
    """Mean of the seeds with its 95 % interval, at every length, of each encoding of a run."""
    found = comparison(run)
    lengths = found.config.eval_lengths
    curves = []
    for name, each in found.encodings.items():
        cells = [each.loss[str(length)] for length in lengths]
        means, low, high = zip(*((cell.mean, cell.low, cell.high) for cell in cells), strict=True)
        curves.append(series(name, means, low, high))
    return picture(
        "Loss on the same text, read with more and more context, after training on 64 tokens",
        x=("context (tokens)", list(lengths)),
        y="held-out loss (nats per byte)",
        curves=curves,
        command=command(run),
        log=True,
    )


def make() -> dict[str, Any]:
    """Of the five encodings that `phasor compare` takes if nobody says."""
    return by_length("encodings")

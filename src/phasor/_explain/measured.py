"""The measured rows that come with phasor; `benchmarks/measured_rows.py` makes them anew."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Row:
    """An encoding's row of a comparison.

    Args:
        loss: By length, the mean over seeds and the bounds of its interval, `None` of a single
            seed, in nats.
        unit: Nats per what.
        train_length: Of the longest sequence in training, in tokens.
        seeds: Trials.
        model_parameters: Of the model without its encoding.
    """

    loss: Mapping[str, tuple[float, float | None, float | None]]
    unit: str
    train_length: int
    seeds: int
    model_parameters: int

    def in_words(self) -> str:
        """With every number."""
        cells = [f"{_cell(*cell)} at {length}" for length, cell in self.loss.items()]
        seeds = f"{self.seeds} seeds" if self.seeds > 1 else "1 seed"
        return (
            f"{', '.join(cells)} (nats per {self.unit}; trained at {self.train_length}, "
            f"{self.model_parameters / 1e6:.1f} M parameters, {seeds})"
        )


def measured(spelling: str, *, compared: bool) -> tuple[Row | None, str]:
    """The row of an encoding as reports call it; without one, what measures it or why nothing does.

    Args:
        spelling: Of the whole model, without spaces and aliases.
        compared: Whether it can be compared by itself.
    """
    kept = kept_rows()
    loss = kept["rows"].get(spelling)
    if loss is not None:
        cells = {length: (mean, low, high) for length, (mean, low, high) in loss.items()}
        sizes = (kept["train_length"], kept["seeds"], kept["model_parameters"])
        return Row(cells, kept["unit"], *sizes), ""
    if compared:
        return None, f"not measured yet: {compare_command(spelling)}"
    return None, (
        "not by the comparison, whose text models have one encoding: it goes beside another, or "
        "needs more than they can tell it"
    )


def kept_rows() -> dict[str, Any]:
    """What the file of rows holds."""
    text = files("phasor._explain").joinpath("measured.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def compare_command(spelling: str) -> str:
    """What measures, or measures again, the row of an encoding."""
    return f"phasor compare --encodings {shlex.quote(spelling)}"


def _cell(mean: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"{mean:.3f}"
    return f"{mean:.3f} ±{(high - low) / 2:.3f}".replace("±0.", "±.")

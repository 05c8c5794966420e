"""The data of one picture: curves over x, the command that repeats them, versions and a hash."""

import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import phasor

FOLDER = Path(__file__).parent
_HASHED = ("title", "x", "y", "series")


def series(
    name: str,
    values: Sequence[float],
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
) -> dict[str, Any]:
    """One curve; `low` and `high` bound its interval where there is one."""
    return {"name": name, "values": _short(values), "low": _short(low), "high": _short(high)}


def picture(
    title: str,
    *,
    x: tuple[str, Sequence[float]],
    y: str,
    curves: Sequence[dict[str, Any]],
    command: str,
    log: bool = False,
) -> dict[str, Any]:
    """All that a page shows of a run.

    Args:
        title: What is seen, in a sentence without a full stop.
        x: Label and values.
        y: Label.
        curves: Each from `series`, as long as x.
        command: Repeats the run.
        log: Whether x is drawn on a logarithmic scale.
    """
    label, values = x
    found = {
        "title": title,
        "x": {"label": label, "values": list(values), "log": log},
        "y": {"label": y},
        "series": list(curves),
        "command": command,
        "versions": {
            "phasor": phasor.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    return {**found, "sha256": sha256(found)}


def sha256(found: dict[str, Any]) -> str:
    """Of what is drawn, as JSON with sorted keys and without spaces."""
    drawn = {key: found[key] for key in _HASHED}
    text = json.dumps(drawn, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read(name: str) -> dict[str, Any]:
    """The data of a picture as it is in this folder."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def write(name: str, found: dict[str, Any]) -> None:
    """Put the data of a picture into this folder."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def values_of(found: dict[str, Any]) -> dict[str, float]:
    """Each number by its address, `series/x`, `series/x/low` or `series/x/high`."""
    numbers = {}
    for each in found["series"]:
        for key, suffix in (("values", ""), ("low", "/low"), ("high", "/high")):
            for x, value in zip(found["x"]["values"], each[key] or (), strict=False):
                if value is not None:
                    numbers[f"{each['name']}/{x:.10g}{suffix}"] = value
    return numbers


def _short(values: Sequence[float | None] | None) -> list[float | None] | None:
    """Eight digits: more would be noise of the machine."""
    if values is None:
        return None
    return [None if value is None else float(f"{value:.8g}") for value in values]

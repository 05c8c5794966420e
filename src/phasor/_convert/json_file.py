"""Reading a JSON object that somebody else wrote."""

import json
from pathlib import Path
from typing import Any

from phasor._read.limits import read_json
from phasor.errors import ArgumentError


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or one sentence on why there is none."""
    if not path.exists():
        raise ArgumentError(
            f"there is no {path.name} in {path.parent}; name the folder of a checkpoint"
        )
    return read_json(path)


def whole_number(config: dict[str, Any], *names: str, where: Path) -> int | None:
    """The positive integer under the first of `names` that is there and not null."""
    for name in names:
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name} in {where} must be a positive integer, got {value!r}")
        return value
    return None


def number(config: dict[str, Any], *names: str, where: Path) -> float | None:
    """The positive number under the first of `names` that is there and not null."""
    for name in names:
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ArgumentError(f"{name} in {where} must be a positive number, got {value!r}")
        return float(value)
    return None


def write_object(path: Path, value: dict[str, Any]) -> None:
    """Write `value` as people like to read it."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

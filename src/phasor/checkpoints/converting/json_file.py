"""Reading a JSON object that somebody else wrote."""

import json
from pathlib import Path
from typing import Any

from phasor.errors import ArgumentError

# The index of the largest checkpoints is about 10 MB.
_MOST_BYTES = 50_000_000


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or one sentence on why there is none."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise ArgumentError(
                f"{path} has {size:,} bytes, more than the {_MOST_BYTES:,} of any configuration; "
                "is it the right file?"
            )
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArgumentError(
            f"there is no {path.name} in {path.parent}; name the folder of a checkpoint"
        ) from None
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ArgumentError(f"{path} is nested too deep to be a configuration") from None
    except ValueError as error:
        raise ArgumentError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ArgumentError(f"{path} must hold a JSON object, got {type(found).__name__}")
    return found


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

"""Reading files that nobody vouches for: bounded, and with one sentence for what is wrong."""

import json
from pathlib import Path
from typing import Any

from phasor.errors import ArgumentError

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 64
MAX_LAYERS = 16_384


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. `Infinity` and `NaN` are numbers, as for AutoConfig.

    Raises:
        ArgumentError: No such file, no JSON, no object, too large or too deep.
    """
    try:
        with path.open("rb") as file:
            found = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from None
    if len(found) > MAX_BYTES:
        raise ArgumentError(
            f"{path} is larger than the {MAX_BYTES >> 20} MB that a config may have"
        )
    try:
        value = json.loads(found)
    except RecursionError:
        raise ArgumentError(
            f"{path} is nested deeper than the {MAX_DEPTH} levels that a config may have"
        ) from None
    except ValueError as error:  # no JSON, no UTF-8, or a number of too many digits
        raise ArgumentError(f"{path} is not JSON: {error}") from None
    check_config(value, str(path))
    return value


def check_config(value: Any, where: str) -> None:
    """Raise unless `value` is an object that is neither deep nor describes a giant."""
    if not isinstance(value, dict):
        raise ArgumentError(f"{where} must hold an object, got {type(value).__name__}")
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
                _check_layers(item, where)
            elif isinstance(item, (list, tuple)):
                below += item
        if not below:
            return
        level = below
    raise ArgumentError(
        f"{where} is nested deeper than the {MAX_DEPTH} levels that a config may have"
    )


def _check_layers(item: dict[Any, Any], where: str) -> None:
    # Config classes make lists of that length.
    for name, value in item.items():
        if not isinstance(name, str):
            raise ArgumentError(f"{where} must have names as keys, got {name!r}")
        if "layer" in name and type(value) is int and value > MAX_LAYERS:
            raise ArgumentError(f"{where}: {name} must be at most {MAX_LAYERS}, got {value}")

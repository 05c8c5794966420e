"""Reading files that nobody vouches for: bounded, and with one sentence for what is wrong."""

import json
from pathlib import Path
from typing import Any

from phasor._read.fields import short
from phasor._read.regular_file import open_regular
from phasor.errors import ArgumentError

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 64
MAX_LAYERS = 16_384
MOST_SIZE = 2**18
"""Channels of heads that differ, and frequencies in a file; each takes a moment. Published models
have 2^14 if each layer differs."""
MOST_VALUES = 2**18
"""In a config or an index; the labels of 22,000 classes are a sixth of it."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. `Infinity` and `NaN` are numbers, as for AutoConfig.

    Raises:
        ArgumentError: No such file, no JSON, no object, too large or too deep.
    """
    with open_regular(path) as file:
        try:
            found = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ArgumentError(f"{path} cannot be read: {error.strerror}") from None
    if len(found) > MAX_BYTES:
        raise ArgumentError(
            f"{path} is larger than the {MAX_BYTES >> 20} MB that a config may have"
        )
    if found.count(b",") > 2 * MOST_VALUES:  # before memory is taken for them
        raise _too_many(str(path))
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
    seen = 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if not isinstance(item, (dict, list, tuple)):
                continue
            seen += len(item)
            if seen > MOST_VALUES:
                raise _too_many(where)
            if isinstance(item, dict):
                _check_names(item, where)
            below += item.values() if isinstance(item, dict) else item
        if not below:
            return
        level = below
    raise ArgumentError(
        f"{where} is nested deeper than the {MAX_DEPTH} levels that a config may have"
    )


def _too_many(where: str) -> ArgumentError:
    return ArgumentError(f"{where} holds more than the {MOST_VALUES} values that a config may have")


def _check_names(item: dict[Any, Any], where: str) -> None:
    # Config classes make lists and dicts of that length.
    for name, value in item.items():
        if not isinstance(name, str):
            raise ArgumentError(f"{where} must have names as keys, got {name!r}")
        most = MAX_LAYERS if "layer" in name else MOST_VALUES if name == "num_labels" else None
        if most is not None and type(value) in (int, float) and value > most:
            raise ArgumentError(f"{where}: {name} must be at most {most}, got {short(value)}")

"""A standardised config as readers see it: values by name, checked on the way out."""

import math
from collections.abc import Mapping
from typing import Any

from phasor._read.notes import Notes
from phasor.errors import ArgumentError

MOST_CHANNELS = 2**20
"""Of a head or an embedding, heads, and whatever else tables are made for."""
MOST_TOKENS = 2**40

_MISSING = object()


class Fields:
    """Named values of a config object or a dict.

    Args:
        config: An object with attributes, or a dict.
        notes: Where messages go.
        names: What this config calls the names that are asked for, where it differs.
        instead: Values by name that hold in place of the config's.
    """

    def __init__(
        self,
        config: Any,
        notes: Notes,
        names: Mapping[str, str] | None = None,
        instead: Mapping[str, Any] | None = None,
    ) -> None:
        self.config = config
        self.notes = notes
        self.names = names or {}
        self.instead = instead or {}

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` where there is none or it is null."""
        name = self.names.get(name, name)
        if name in self.instead:
            value = self.instead[name]
        elif isinstance(self.config, Mapping):
            value = self.config.get(name, _MISSING)
        else:
            value = _attribute(self.config, name)
        return default if value is _MISSING or value is None else value

    def whole(self, name: str, *, most: int = MOST_CHANNELS) -> int:
        """A number that must be there, whole, positive and at most `most`."""
        value = self.whole_or(name, None, most=most)
        if value is None:
            raise self.missing(name)
        return value

    def whole_or(self, name: str, default: int | None, *, most: int = MOST_CHANNELS) -> int | None:
        """A whole positive number of at most `most`, or `default`."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(name, "a whole number from 1 on", value)
        if value > most:
            raise self.wrong(name, f"at most {most}", value)
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A number, which must be there if it has no default."""
        value = self.get(name, default)
        if value is None:
            raise self.missing(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(name, "a number", value)
        return as_float(value, self.names.get(name, name), self.notes)

    def list_of(self, name: str, length: int) -> list[Any] | None:
        """A list with one entry for each of `length` layers, or nothing."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or len(value) < length:
            raise self.wrong(name, f"a list with an entry for each of {length} layers", value)
        return list(value[:length])

    def of_layer(self, at: int) -> "Fields":
        """The same for one layer, where transformers has a config for each."""
        if not getattr(self.config, "is_heterogeneous", False):
            return self
        return Fields(self.config.per_layer_config[at], self.notes, self.names, self.instead)

    def renamed(self, names: Mapping[str, str]) -> "Fields":
        """The same config under the names of another row."""
        return Fields(self.config, self.notes, names, self.instead)

    def having(self, **values: Any) -> "Fields":
        """The same config with other values."""
        return Fields(self.config, self.notes, self.names, {**self.instead, **values})

    def missing(self, name: str) -> ArgumentError:
        """The error for what is not there."""
        name = self.names.get(name, name)
        return self.notes.wrong(f"{name} is missing and has no documented default")

    def wrong(self, name: str, expected: str, value: Any) -> ArgumentError:
        """The error for a value that cannot be."""
        name = self.names.get(name, name)
        return self.notes.wrong(f"{name} must be {expected}, got {short(value)}")


def as_float(value: float, name: str, notes: Notes) -> float:
    """A finite number as float64 holds it, which a whole number may pass."""
    try:
        number = float(value)
    except OverflowError:
        raise notes.wrong(f"{name} must be a number that float64 holds, got a larger one") from None
    if not math.isfinite(number):
        raise notes.wrong(f"{name} must be a finite number, got {short(value)}")
    return number


def short(value: Any) -> str:
    """A value as messages show it."""
    try:
        shown = repr(value)
    except ValueError:  # Python writes no numbers of more than some thousand digits
        return f"a {type(value).__name__} of very many digits"
    return shown if len(shown) < 60 else shown[:57] + "..."


def _attribute(config: Any, name: str) -> Any:
    try:
        return getattr(config, name, _MISSING)
    except RuntimeError:  # transformers, where a value differs by layer
        return _MISSING

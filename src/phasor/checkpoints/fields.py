"""A standardised config as readers see it: attributes by name, checked on the way out."""

from collections.abc import Mapping
from typing import Any

from phasor.checkpoints.notes import Notes

_MISSING = object()


class Fields:
    """Named values of a config object or a dict.

    Args:
        config: An object with attributes, or a dict.
        notes: Where messages go.
    """

    def __init__(self, config: Any, notes: Notes) -> None:
        self.config = config
        self.notes = notes

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` where there is none or it is null."""
        if isinstance(self.config, Mapping):
            value = self.config.get(name, _MISSING)
        else:
            value = _attribute(self.config, name)
        return default if value is _MISSING or value is None else value

    def whole(self, name: str) -> int:
        """A number that must be there, whole and positive."""
        value = self.get(name, _MISSING)
        if value is _MISSING:
            raise self.notes.wrong(f"{name} is missing and has no documented default")
        return self._positive(name, value)

    def whole_or(self, name: str, default: int | None) -> int | None:
        """A whole positive number, or `default`."""
        value = self.get(name, _MISSING)
        return default if value is _MISSING else self._positive(name, value)

    def names(self, name: str, length: int) -> list[Any] | None:
        """A list with one entry for each of `length` layers, or nothing."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or len(value) < length:
            size = len(value) if isinstance(value, (list, tuple)) else repr(value)
            raise self.notes.wrong(
                f"{name} must have one entry for each of {length} layers, got {size}"
            )
        return list(value[:length])

    def sub(self, name: str) -> "Fields | None":
        """A config inside this one."""
        value = self.get(name)
        return None if value is None else Fields(value, self.notes)

    def _positive(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.notes.wrong(f"{name} must be a whole number from 1 on, got {value!r}")
        return value


def _attribute(config: Any, name: str) -> Any:
    try:
        return getattr(config, name, _MISSING)
    except (RuntimeError, ValueError):  # transformers, where a value differs by layer
        return _MISSING

"""Every error that phasor raises on purpose.

Each is also the built-in error that a caller would expect, so `except ValueError` keeps working:

    PhasorError
    ├── ArgumentError       ValueError   a value, shape or name that cannot be right
    ├── ArgumentTypeError   TypeError    the wrong type, or a dtype that does not fit
    ├── SiteError           TypeError    sites and hooks, or an encoding and a model, do not match
    └── PositionRangeError  IndexError   a position that the encoding does not have
"""

import difflib


class PhasorError(Exception):
    """Base of all errors raised on purpose by phasor."""


class ArgumentError(PhasorError, ValueError):
    """A value, shape or name that cannot be right."""


class ArgumentTypeError(PhasorError, TypeError):
    """An argument of the wrong type, or tensors whose dtypes do not fit together."""


class SiteError(PhasorError, TypeError):
    """Declared sites and hooks differ, or a model lacks a site that an encoding needs."""


class PositionRangeError(PhasorError, IndexError):
    """A position outside the range for which the encoding is defined."""


def unknown_name(what: str, name: str, known: list[str]) -> ArgumentError:
    """The error for a `name` that is not among `known`: suggests the nearest, lists them all."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ArgumentError(f"{what} {name!r}.{hint} There are: {', '.join(known) or 'none'}")

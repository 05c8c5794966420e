"""Numbers are numbers: one sentence for an argument of another kind, from the fields' own types."""

import dataclasses
import operator
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

from phasor.errors import ArgumentTypeError

_WORDS = {int: "an integer", float: "a number", bool: "True or False", str: "a word"}


def _as_float(value: Any) -> float:
    if isinstance(value, str | bytes):  # which float would read
        raise TypeError
    return float(value)


_PLAIN: dict[type, Callable[[Any], Any]] = {int: operator.index, float: _as_float}
"""What makes a plain number of one of another library."""


def stated(data: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass that are arguments, in their order."""
    return [field for field in dataclasses.fields(data) if field.init]


def check_kinds(data: Any, **others: Any) -> None:
    """Raise unless numbers are numbers; those of other libraries become Python's.

    Args:
        data: A frozen dataclass.
        **others: Arguments of it that are no fields (`InitVar`).

    Raises:
        ArgumentTypeError: They are not.
    """
    kinds = _kinds(type(data))
    owner = getattr(data, "encoding", type(data)).__name__
    for name in (*(field.name for field in stated(data)), *others):
        if name not in kinds:
            continue
        value = others[name] if name in others else getattr(data, name)
        kind, optional = kinds[name]
        if type(value) is kind or isinstance(value, torch.SymInt | torch.SymFloat):
            continue
        if value is None and optional:
            continue
        if kind is float and isinstance(value, int):
            continue  # as written; equal to the float
        try:
            plain = _PLAIN[kind](value)
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise ArgumentTypeError(
                f"{name} of {owner} must be {_WORDS[kind]}, got {type(value).__name__} {value!r}"
            ) from None
        object.__setattr__(data, name, plain)


@lru_cache
def _kinds(data: type) -> dict[str, tuple[type, bool]]:
    """The fields that hold a number, a flag or a word, and which; and whether `None` is one too."""
    found = {}
    for name, hint in typing.get_type_hints(data).items():
        hint = getattr(hint, "type", hint)  # of an InitVar
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        kinds = typing.get_args(hint) if union else (hint,)
        plain = [kind for kind in kinds if kind is not type(None)]
        if len(plain) == 1 and plain[0] in _WORDS:
            found[name] = plain[0], type(None) in kinds
    return found

"""How large what a spec describes may be: more is no model, and building it would never end."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import torch

from phasor.errors import ArgumentError

MOST_CHANNELS = 2**17
"""Of a head or an embedding; also the most heads."""
MOST_TOKENS = 2**40
"""Of a sequence."""
MOST_NUMBERS = 2**31
"""In the tables of one encoding: 8 GB of float32."""


def check_channels(**sizes: int) -> None:
    """Raise if one of `sizes` is more than any model has.

    Raises:
        ArgumentError: It is.
    """
    for name, size in sizes.items():
        if size > MOST_CHANNELS:
            raise ArgumentError(f"{name} must be at most {MOST_CHANNELS}, got {size}")


def check_matrix(axes: int, pairs: int) -> None:
    """Raise if a matrix of frequencies `[axes, pairs]` is more than any model has.

    Raises:
        ArgumentError: It is.
    """
    if axes * pairs > MOST_CHANNELS:
        raise ArgumentError(
            f"frequencies [axes, pairs] must be at most {MOST_CHANNELS} numbers, got {axes} axes "
            f"of {pairs} pairs"
        )


def check_tokens(**sizes: int) -> None:
    """Raise if one of `sizes` is more than any sequence has.

    Raises:
        ArgumentError: It is.
    """
    for name, size in sizes.items():
        if size > MOST_TOKENS:
            raise ArgumentError(f"{name} must be at most {MOST_TOKENS} tokens, got {size}")


@contextmanager
def within_float64() -> Iterator[None]:
    """Raise one sentence where numbers pass what float64 holds.

    Raises:
        ArgumentError: They do.
    """
    try:
        yield
    except ArithmeticError as error:
        raise ArgumentError(f"its numbers pass what float64 holds ({error.args[-1]})") from None


class Buildable(Protocol):
    """A spec of an encoding: frozen, and able to make its module."""

    def __hash__(self) -> int: ...

    def build(self) -> Any: ...


# Many layers do the same, and a config may say so ten thousand times.
@lru_cache(maxsize=64)
def check_builds(spec: Buildable) -> None:
    """Raise unless `spec` can make its module; nothing is allocated.

    Raises:
        ArgumentError: What the module refuses, or tables that no memory holds.
    """
    try:
        with within_float64(), torch.device("meta"):
            module = spec.build()
    except RuntimeError as error:  # the size of a table passes what a tensor can count
        reason = str(error).splitlines()[0]
        raise ArgumentError(f"its tables cannot be made: {reason}") from None
    numbers = sum(parameter.numel() for parameter in module.parameters())
    if numbers > MOST_NUMBERS:
        raise ArgumentError(
            f"{type(module).__name__} would have tables of {numbers} numbers; at most "
            f"{MOST_NUMBERS} are made"
        )


@lru_cache(maxsize=64)
def check_rotates(spec: Buildable) -> None:
    """Raise unless `spec` can make its module, for short and for long sequences.

    Raises:
        ArgumentError: What the module or its scaling refuses, or numbers past float64.
    """
    with within_float64():
        built = spec.build()
        for seq_len in (1, MOST_TOKENS):
            built.at(seq_len)

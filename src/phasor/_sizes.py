"""How large what a spec describes may be: more is no model, and building it would never end."""

from collections.abc import Iterator
from contextlib import contextmanager

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

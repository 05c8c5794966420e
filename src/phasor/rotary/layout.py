"""Which channels form a pair: an argument of the rotation, not a kind of encoding."""

from typing import Literal

from phasor.errors import ArgumentError

Layout = Literal["half", "interleaved"]
LAYOUTS: tuple[Layout, ...] = ("half", "interleaved")


def check_layout(layout: str) -> None:
    """Raise unless `layout` is `"half"` or `"interleaved"`."""
    if layout not in LAYOUTS:
        raise ArgumentError(
            f"layout must be one of {list(LAYOUTS)}, got {layout!r}; 'half' pairs channel i with "
            "i + dim/2 (GPT-NeoX, LLaMA in transformers), 'interleaved' pairs 2i with 2i + 1 "
            "(the RoPE paper, GPT-J, LLaMA as published by Meta)"
        )

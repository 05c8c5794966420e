"""Which channels form a pair, and which of a head turn: arguments, not kinds of encoding."""

from typing import Literal

from phasor.errors import ArgumentError

Layout = Literal["half", "interleaved"]
LAYOUTS: tuple[Layout, ...] = ("half", "interleaved")

RotarySlice = Literal["leading", "trailing"]
ROTARY_SLICES: tuple[RotarySlice, ...] = ("leading", "trailing")

Values = Literal["still", "turned", "turned_back"]
VALUES: tuple[Values, ...] = ("still", "turned", "turned_back")
"""What becomes of values: nothing; they turn as keys do; and attention's output turns back."""


def check_layout(layout: str) -> None:
    """Raise unless `layout` is `"half"` or `"interleaved"`."""
    if layout not in LAYOUTS:
        raise ArgumentError(
            f"layout must be one of {list(LAYOUTS)}, got {layout!r}; 'half' pairs channel i with "
            "i + dim/2 (GPT-NeoX, LLaMA in transformers), 'interleaved' pairs 2i with 2i + 1 "
            "(the RoPE paper, GPT-J, LLaMA as published by Meta)"
        )


def check_slice(rotary_slice: str) -> None:
    """Raise unless `rotary_slice` is `"leading"` or `"trailing"`."""
    if rotary_slice not in ROTARY_SLICES:
        raise ArgumentError(
            f"rotary_slice must be one of {list(ROTARY_SLICES)}, got {rotary_slice!r}; "
            "'leading' turns the first rotary_dim channels of each head (GPT-NeoX, Phi), "
            "'trailing' the last (DeepSeek)"
        )

"""Numbers as people write them, and what they say of frequencies."""

import math


def number(value: float) -> str:
    """131,072; 1e+06 stays 1,000,000; four digits of a fraction."""
    if math.isinf(value):
        return "∞"
    if value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def base_in_words(base: float) -> str:
    """Of a progression."""
    return f"base {number(base)}"


def own_in_words(gain: float) -> str:
    """Of frequencies without a rule, with that `gain` on cos and sin."""
    return "frequencies of its own" + f", cos and sin times {gain:.4g}" * (gain != 1)

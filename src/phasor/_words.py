"""Numbers as people write them."""

import math


def number(value: float) -> str:
    """131,072; 1e+06 stays 1,000,000; four digits of a fraction."""
    if math.isinf(value):
        return "∞"
    if value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"

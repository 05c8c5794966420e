"""Loss by length of models whose encoding is a bias."""

from typing import Any

from length import by_length


def make() -> dict[str, Any]:
    """Of one seed: without intervals."""
    return by_length("biases")

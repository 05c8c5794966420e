"""The chapters of *Learn*: which one tells more, and where it is."""

from pathlib import Path

import phasor
from phasor.encoding import PositionEncoding

TITLES = {
    "01-order": "Order is lost",
    "02-numbers": "Adding numbers",
    "03-sinusoids": "Sinusoids",
    "04-table": "A learned table",
    "05-rotation": "Rotation",
    "06-clock": "Many hands of one clock",
    "07-biases": "Biases",
    "08-length": "Length",
    "09-stretching": "Stretching",
    "10-practice": "In practice",
}
"""By the names of their pages."""

OF_SCALINGS = "09-stretching"

_BY_ENCODING = {
    "none": "01-order",
    "sinusoidal": "03-sinusoids",
    "learned": "04-table",
    "log_n": "08-length",
    "query_temperature": "08-length",
    "score_temperature": "08-length",
    "ssmax": "08-length",
}
_BY_SITE = {"query_key": "05-rotation", "score": "07-biases", "embedding": "02-numbers"}


def chapter_of(encoding: type[PositionEncoding]) -> str:
    """The chapter of an encoding: its own, or that of the site where it enters."""
    if encoding.spelling in _BY_ENCODING:
        return _BY_ENCODING[encoding.spelling]
    return next(name for site, name in _BY_SITE.items() if site in encoding.sites)


def chapter(name: str) -> Path | None:
    """The page of a chapter in the site: that of the wheel, or one that a checkout has built."""
    package = Path(phasor.__file__).parent
    sites = (package / "_site", package.parents[1] / "build" / "site")
    pages = [site / "learn" / f"{name}.html" for site in sites]
    return next((page for page in pages if page.is_file()), None)

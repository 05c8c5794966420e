"""What is said of an encoding, a scaling or a word, as data; and how it shows itself."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasor._explain.measured import Row
from phasor._explain.picture import Picture
from phasor._inspect.rotation import Rotation
from phasor._kit.shown import Shown

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One encoding, scaling or word.

    Args:
        name: In the catalogue, or the word.
        summary: What it does, or means, in a sentence or a few.
        chapter: The page of *Learn* that tells more.
        enters: At which site, what of position it sees, and what it learns.
        layers: Of a model, those that have it.
        formula: In a line of Unicode, and what its letters stand for; empty for a word without.
        legend: Those letters.
        numbers: The arguments that it is shown with, in words.
        rotation: Pairs of channels against the lengths, of a rotary encoding.
        picture: Of any other.
        row: Its row of the comparison.
        unmeasured: Where there is none, what measures it, or why nothing does.
        source: Where it was published.
    """

    name: str
    summary: str
    chapter: str
    enters: str = ""
    layers: str = ""
    formula: str = ""
    legend: str = ""
    numbers: str = ""
    rotation: Rotation | None = None
    picture: Picture | None = None
    row: Row | None = None
    unmeasured: str = ""
    source: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs: wavelengths that are infinite as `null`."""
        found = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "rotation"
        }
        for name in ("picture", "row"):
            found[name] = None if found[name] is None else dataclasses.asdict(found[name])
        found["pairs"] = None if self.rotation is None else _pairs(self.rotation)
        return found


@dataclass(frozen=True, repr=False)
class Explained(Shown):
    """What was asked for, in one part or in several.

    Args:
        asked: As it was spelled; of a checkpoint, what its name is and how many layers it has.
        parts: The encodings of layers that take turns are several.
        more: What to run to see more.
    """

    asked: str
    parts: tuple[Explanation, ...]
    more: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        parts = [part.as_json() for part in self.parts]
        return {"asked": self.asked, "parts": parts, "more": self.more}

    def _parts(self) -> "Iterator[RenderableType]":
        from phasor._explain.terminal import parts

        return parts(self)


def _pairs(rotation: Rotation) -> dict[str, Any]:
    pairs: list[dict[str, float | None]] = [dataclasses.asdict(pair) for pair in rotation.pairs]
    for at in rotation.standing:
        pairs[at]["wavelength"] = None
    return {
        "trained_length": rotation.trained_length,
        "length": rotation.length,
        "pairs": pairs,
    }

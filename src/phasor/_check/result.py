"""What one check found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phasor._kit.shown import Shown

if TYPE_CHECKING:
    from rich.console import RenderableType

Status = Literal["pass", "fail", "skip", "note"]


@dataclass(frozen=True)
class Result:
    """What one check found.

    Args:
        name: Of the check.
        status: `"pass"` or `"fail"`; `"skip"` if it does not apply; `"note"` for what is good to
            know and nobody's fault.
        text: What was measured, in a sentence.
        measured: The number that decides.
        allowed: The most it may be; for `positions matter`, the least.
    """

    name: str
    status: Status
    text: str
    measured: float | None = None
    allowed: float | None = None


@dataclass(frozen=True, repr=False)
class Checked(Shown):
    """All that was checked of a model; true if it has passed."""

    model: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether something was checked and nothing failed."""
        found = [result.status for result in self.results]
        return "fail" not in found and "pass" in found

    def __bool__(self) -> bool:
        return self.passed

    def _parts(self) -> "Iterator[RenderableType]":
        from phasor._check.terminal import parts

        return parts(self)

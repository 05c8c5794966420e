"""What one check found."""

from dataclasses import dataclass
from typing import Literal

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


def has_passed(results: list[Result]) -> bool:
    """Whether something was checked and nothing failed."""
    found = [result.status for result in results]
    return "fail" not in found and "pass" in found

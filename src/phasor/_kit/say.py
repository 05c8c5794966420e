"""A sentence on a console, as it is."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def say(console: "Console", line: str, *, whole: bool = False, style: str | None = None) -> None:
    """Print `line`; nothing in it is markup. A pipe has it at once, since a console flushes.

    Args:
        console: Where.
        line: A pipe gets it whole; a terminal breaks it between words.
        whole: Leave it whole in a terminal too, so that what it names can be copied.
        style: As rich has it.
    """
    soft = whole or not console.is_terminal
    console.print(line, style=style, soft_wrap=soft, highlight=False, markup=False)

"""Results that show themselves: in a terminal, at a prompt, in a notebook."""

import html
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from phasor._kit.say import say

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_WIDTH = 100


class Shown(ABC):
    """What a verb found. `repr` is what its command prints; a notebook gets the page, if any."""

    @abstractmethod
    def _parts(self) -> "Iterable[RenderableType]":
        """What is printed, one below the other; sentences as strings."""

    def _page(self) -> str | None:
        """The report as HTML."""
        return None

    def show(self, console: "Console", words: Callable[[str], str] = str) -> None:
        """Print it; a pipe gets whole sentences, a terminal lines that break between words.

        Args:
            console: Where.
            words: What becomes of each sentence.
        """
        for part in self._parts():
            if isinstance(part, str):
                say(console, words(part))
            else:
                console.print(part)

    def __repr__(self) -> str:
        from rich.console import Console

        console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
        with console.capture() as captured:
            self.show(console)
        return captured.get().rstrip()

    def _repr_html_(self) -> str:
        page = self._page()
        if page is None:
            return f"<pre>{html.escape(repr(self))}</pre>"
        return (
            f'<iframe srcdoc="{html.escape(page)}" style="width:100%;height:40em;border:0">'
            "</iframe>"
        )

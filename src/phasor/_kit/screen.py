"""Where a verb shows how far it is: a bar in a terminal, lines elsewhere."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from phasor._kit.say import say


class Screen(AbstractContextManager["Screen"]):
    """One bar, that of what has begun last; it ends with the `with` block.

    Args:
        console: Where.
        columns: What stands beside the bar.
        patience: Seconds from now before any bar is drawn.
        transient: Whether a bar that ends leaves nothing behind.
        speed_seconds: Over which the speed is averaged that tells the time left.
    """

    def __init__(
        self,
        console: Console,
        *columns: ProgressColumn,
        patience: float = 0.0,
        transient: bool = True,
        speed_seconds: float = 30.0,
    ) -> None:
        self._console = console
        self._transient = transient
        self._due = time.monotonic() + patience
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            *columns,
            console=console,
            expand=True,
            speed_estimate_period=speed_seconds,
        )
        self._above: Callable[[], Iterable[RenderableType]] = tuple
        self._live = self._new_live()

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(
        self,
        name: str,
        total: int,
        *,
        completed: int = 0,
        above: Callable[[], Iterable[RenderableType]] = tuple,
        **fields: Any,
    ) -> None:
        """Draw the bar of `name` in place of the one before.

        Args:
            name: In Rich's markup.
            total: Where it ends.
            completed: Where it begins.
            above: Makes what stands above it, each time it is drawn.
            fields: What its columns ask for.
        """
        self.end()
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._bar = self._bars.add_task(name, total=total, completed=completed, **fields)
        self._above = above
        # One that was stopped would be drawn over what it left behind.
        self._live = self._new_live()
        self._draw()

    def advance(self, completed: int, **fields: Any) -> None:
        """So many are done."""
        self._bars.update(self._bar, completed=completed, **fields)
        self._draw()

    def end(self) -> None:
        """There is no bar until the next begins."""
        self._live.stop()

    def say(self, line: str) -> None:
        """Print it, above the bar if there is one."""
        say(self._console, line)

    def say_instead(self, line: str) -> None:
        """Print it where no bar is drawn: in a log, in a pipe."""
        if not self._console.is_terminal:
            self.say(line)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._above()
        yield self._bars

    def _new_live(self) -> Live:
        return Live(self, console=self._console, transient=self._transient)

    def _draw(self) -> None:
        if self._console.is_terminal and time.monotonic() >= self._due:
            self._live.start(refresh=True)

"""How far a run is: a bar in a terminal, a line for each case elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import TextColumn, TimeRemainingColumn

from phasor._bench.run import Event
from phasor._kit.screen import Screen
from phasor._kit.watching import Begun


@contextmanager
def shown_on(console: Console, num_cases: int) -> Iterator[Callable[[Event], None]]:
    """What watches a run of `num_cases` cases and shows it on `console`."""
    numbers = count(1)
    with Screen(console, TextColumn("left"), TimeRemainingColumn()) as screen:

        def watch(event: Event) -> None:
            if not isinstance(event, Begun):
                screen.advance(event.done)
                return
            case, number = event.what, f"{next(numbers)}/{num_cases}"
            screen.begin(f"{number} {case.shape.name} {case.dtype} {case.direction}", event.total)
            screen.say_instead(f"[{number}] {case.title}")

        yield watch

"""How far a conversion is: a bar in a terminal, once it takes more than two seconds."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from phasor._convert.command import Event, Watch
from phasor._kit.screen import Screen
from phasor._kit.watching import Begun

_PATIENCE = 2.0


@contextmanager
def shown_on(console: Console) -> Iterator[Watch]:
    """What watches a conversion and shows it on `console`."""
    columns = DownloadColumn(), TransferSpeedColumn(), TextColumn("left"), TimeRemainingColumn()
    with Screen(console, *columns, patience=_PATIENCE) as screen:

        def watch(event: Event) -> None:
            if isinstance(event, Begun):
                screen.begin(event.what, event.total)
            else:
                screen.advance(event.done)

        yield watch

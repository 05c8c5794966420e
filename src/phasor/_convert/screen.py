"""How far a conversion is: a bar in a terminal, once it takes more than two seconds."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_PATIENCE = 2.0


class Screen:
    """Shows progress on a console.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._start = time.monotonic()
        self._shown = False

    def __enter__(self) -> "Screen":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, what: str, num_bytes: int) -> None:
        """From now on, bytes are of `what`."""
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._task = self._progress.add_task(what, total=num_bytes)

    def advance(self, num_bytes: int) -> None:
        """So many more are done."""
        self._progress.advance(self._task, num_bytes)
        if not self._shown and time.monotonic() - self._start > _PATIENCE:
            self._progress.start()
            self._shown = True

"""How far a run is: a bar in a terminal, a line for each case elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from phasor._bench.results import Case


class Screen:
    """Shows a run on a console.

    Args:
        console: Where.
        num_cases: How many cases there will be.
    """

    def __init__(self, console: Console, num_cases: int) -> None:
        self._console = console
        self._num_cases = num_cases
        self._begun = 0
        self._bar: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Screen":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, case: Case, steps: int) -> None:
        self._begun += 1
        count = f"{self._begun}/{self._num_cases}"
        if not self._console.is_terminal:
            line = f"[{count}] {case.title}"
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)
            self._console.file.flush()
            return
        if self._bar is not None:
            self._progress.remove_task(self._bar)
        name = f"{count} {case.shape.name} {case.dtype} {case.direction}"
        self._bar = self._progress.add_task(name, total=steps)

    def advance(self, steps: int = 1) -> None:
        if self._bar is not None:
            self._progress.advance(self._bar, steps)

"""The measurement as one call."""

from collections.abc import Callable

from rich.console import Console

from phasor._bench.options import Options, make_plan
from phasor._bench.results import Case, Results
from phasor._bench.run import run
from phasor._bench.screen import Screen
from phasor._options import taking


class _Told:
    def __init__(self, progress: Callable[[Case], None]) -> None:
        self._progress = progress

    def begin(self, case: Case, steps: int) -> None:
        self._progress(case)

    def advance(self, steps: int = 1) -> None: ...


@taking(Options)
def bench(options: Options) -> Results:
    """Time the rotation against other libraries, after checking that each is right.

    Returns:
        Every time, and who could not be timed and why.

    Raises:
        ArgumentError: An option that cannot be right.

    """
    plan = make_plan(options)
    if options.progress is not None:
        return run(plan, _Told(options.progress))
    with Screen(Console(), plan.num_cases) as screen:
        return run(plan, screen)

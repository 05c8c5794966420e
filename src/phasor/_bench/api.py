"""The measurement as one call."""

from rich.console import Console

from phasor._bench.options import Options, make_plan
from phasor._bench.progress import shown_on
from phasor._bench.results import Case, Results
from phasor._bench.run import run
from phasor._kit.watching import telling
from phasor._options import taking


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
        return run(plan, telling(options.progress, Case))
    with shown_on(Console(), plan.num_cases) as watch:
        return run(plan, watch)

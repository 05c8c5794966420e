"""`phasor compare`: thin; the work is in `phasor._compare`."""

import json
import sys

import typer
from rich.console import Console

from phasor._compare.options import Options
from phasor._compare.tasks import TASKS
from phasor._kit.say import say
from phasor._options import Option, as_command
from phasor.cli.base import FAILURE, command, fail, failing


def _tasks_in_words() -> str:
    """A line for each task, as its recipe has it."""
    lines = []
    for name, task in TASKS.items():
        recipe = task.recipe
        longest = round(recipe.train_length * max(recipe.eval_factors))
        lines.append(
            f"[bold cyan]{name:15}[/]{task.summary} [dim]({recipe.train_length} to {longest} "
            f"{task.length_unit}, {recipe.steps} x {recipe.batch_size})[/]"
        )
    return "\n".join(lines)


@command(
    Options,
    "[bold]Tasks[/], in brackets the longest length in training and in evaluation, and "
    f"steps x batch size\n\n{_tasks_in_words()}\n\n"
    "Example: phasor compare --encodings rotary,alibi --task lm,copy --seeds 5",
    as_json=Option("Print results.json to standard output.", "Where and how"),
)
def compare(options: Options, *, as_json: bool) -> None:
    """Train small models that differ in nothing but their position encoding, and compare them.

    With no options: five encodings on real text, three seeds, about three minutes
    on two cores. Ends with a table, a verdict and a report to open in a browser.
    """
    # Imported here so that --help and the other verbs stay fast.
    from phasor._compare.api import plan, run
    from phasor._compare.progress import shown_on
    from phasor._compare.workers import TrialFailedError

    console = Console(stderr=as_json)
    with failing(Options):
        planned = plan(options)
    if planned.left_out:
        say(console, f"Not read of the text: {planned.left_out}.", whole=True)
    kept = f"; finished trials are kept: go on with --resume --out {planned.folder}"
    with failing(Options, kept):
        try:
            with shown_on(console) as watch:
                result = run(planned, watch)
        except TrialFailedError as error:
            sys.stderr.write(error.details)
            hint = kept if error.may_resume else ""
            fail(f"{as_command(str(error), Options)}{hint}", status=FAILURE)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=1))
    result.show(console, lambda text: as_command(text, Options))
    say(console, f"\nReport: {result.report} (open it in a browser)", whole=True)

"""Several tasks in one run: a folder for each, and one page about all."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from phasor._compare.compare import Comparison, Watch, compare
from phasor._compare.report import render_overview
from phasor._compare.results import Results
from phasor._compare.store import open_store
from phasor._compare.tasks import TASKS
from phasor._kit.files import write_atomically
from phasor.errors import ArgumentError


def holds_tasks(out: Path) -> bool:
    """Whether `out` has a folder with the trials of a task."""
    return any((out / name / "trials.jsonl").exists() for name in TASKS)


def compare_tasks(
    comparisons: Sequence[Comparison], out: Path, watch: Watch
) -> Mapping[str, Results]:
    """Run each of `comparisons` in its folder, then write `results.json` and `report.html`.

    A folder that is resumed with fewer tasks than it holds keeps them in its report.

    Args:
        comparisons: One for each task, with the task's name as the last part of its folder.
        out: The folder above theirs.
        watch: Told what happens.

    Returns:
        What was found by task, those found before among them; `results.json` has it as `tasks`.

    Raises:
        ArgumentError: A folder cannot be used; see `open_store`. Nothing has run then.
        TrialFailedError: A trial ended without a result; those finished before it are kept.
    """
    resume = all(comparison.resume for comparison in comparisons)
    if (out / "trials.jsonl").exists():
        raise ArgumentError(
            f"{out} holds the trials of one task; choose another folder for several with out="
        )
    if holds_tasks(out) and not resume:
        raise ArgumentError(
            f"{out} already holds trials of several tasks; add resume=True to go on with them, or "
            "choose another folder with out="
        )
    for comparison in comparisons:
        # What cannot be used fails now and not after the tasks before it.
        with open_store(comparison.out, comparison.setup, resume=resume):
            pass
    found = {
        one.config.task: compare(
            one, watch, place=f"{one.config.task} ({at} of {len(comparisons)}): "
        )
        for at, one in enumerate(comparisons, 1)
    }
    others = {name: out / name / "results.json" for name in TASKS if name not in found}
    found |= {name: _read(file) for name, file in others.items() if file.exists()}
    results = {"tasks": {name: one.to_json() for name, one in found.items()}}
    write_atomically(out / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    write_atomically(out / "report.html", render_overview(found))
    return found


def _read(file: Path) -> Results:
    try:
        return Results.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"{file} is damaged ({error}); name its task in task=, which writes it anew"
        ) from error

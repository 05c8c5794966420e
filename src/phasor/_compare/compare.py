"""The comparison: plans the trials, runs those that are missing, writes what they found."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

import phasor
from phasor._compare.commands import command_line, scale_up_command
from phasor._compare.config import TrialConfig
from phasor._compare.known_answers import known_answers
from phasor._compare.report import render_report
from phasor._compare.results import Results
from phasor._compare.store import open_store
from phasor._compare.summary import summarise
from phasor._compare.tasks import build_task
from phasor._compare.trial import Trial
from phasor._compare.workers import Event, Finished, Job, run_jobs
from phasor._kit.files import write_atomically
from phasor._kit.text import Text
from phasor.encodings.spelling import parse_spelling
from phasor.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What to compare, and where to put it.

    Args:
        encodings: Names of the catalogue, or spellings such as `rotary(base=500000)`.
        seeds: One trial of each encoding for each.
        config: What all trials have in common.
        text: What language models read; `None` for other tasks.
        text_path: Where it came from, if the user named it.
        out: Folder of the results.
        workers: Trials at a time.
        resume: Go on with the trials that `out` holds.

    Raises:
        ArgumentError: No encoding or one named twice, no seed or no worker, a name that does not
            exist, a shape that an encoding refuses, or too little text.
    """

    encodings: Sequence[str]
    seeds: Sequence[int]
    config: TrialConfig
    text: Text | None
    text_path: Path | None
    out: Path
    workers: int
    resume: bool = False

    def __post_init__(self) -> None:
        if not self.encodings or len(set(self.encodings)) != len(self.encodings):
            raise ArgumentError(
                f"name each encoding once, and at least one; got {', '.join(self.encodings) or '-'}"
            )
        if not self.seeds:
            raise ArgumentError("there must be at least one seed, got 0")
        if self.workers < 1:
            raise ArgumentError(f"there must be at least one worker, got {self.workers}")
        # Build everything once, so that what cannot work fails now and not in a trial.
        task = build_task(
            self.config.task,
            text=self.text,
            train_length=self.config.train_length,
            max_length=self.config.eval_lengths[-1],
        )
        shape = self.config.shape(task.num_positions(self.config.eval_lengths[-1]))
        for name in self.encodings:
            parse_spelling(name).build(shape, self.config.layers).prepare(torch.arange(1))

    @property
    def setup(self) -> dict[str, Any]:
        """What decides the outcome of a trial beside its encoding and seed."""
        return {
            **asdict(self.config),
            "text_sha256": self.text.sha256 if self.text else None,
            "torch": torch.__version__,
            "phasor": phasor.__version__,
        }


@dataclass(frozen=True)
class Planned:
    """`missing` are about to run; `kept` were there already.

    Args:
        config: What they have in common.
        place: Of this comparison among several, to stand before what is said of it.
        kept: Of those asked for.
        missing: The others, in the order in which they run.
    """

    config: TrialConfig
    place: str
    kept: Sequence[Trial]
    missing: Sequence[Job]


Watch = Callable[[Planned | Event], None]


def compare(comparison: Comparison, watch: Watch, *, place: str = "") -> Results:
    """Run the trials that are missing, then write `results.json` and `report.html`.

    Each finished trial is on disk before the next result is looked at, so that a kill loses the
    trials in flight and nothing else.

    Args:
        comparison: What, and where to.
        watch: Told what happens.
        place: As in `Planned`.

    Returns:
        What `results.json` holds.

    Raises:
        ArgumentError: The folder cannot be used; see `open_store`.
        TrialFailedError: A trial ended without a result; those finished before it are kept.
    """
    out = comparison.out
    pairs = product(comparison.seeds, comparison.encodings)
    jobs = [Job(name, seed) for seed, name in pairs]
    with open_store(out, comparison.setup, resume=comparison.resume) as store:
        present = [*comparison.encodings, *(trial.encoding for trial in store.trials)]
        answers = known_answers(list(dict.fromkeys(present)))
        finished = {Job(trial.encoding, trial.seed) for trial in store.trials}
        missing = [job for job in jobs if job not in finished]
        kept = [trial for trial in store.trials if Job(trial.encoding, trial.seed) in jobs]
        watch(Planned(comparison.config, place, kept, missing))
        events = run_jobs(missing, comparison.config, comparison.text, comparison.workers)
        with closing(events):
            for event in events:
                if isinstance(event, Finished):
                    store.add(event.trial)
                watch(event)
        names, seeds = _complete(store.trials, comparison)
        described = (names, len(seeds), comparison.config, comparison.text_path)
        results = summarise(
            store.trials,
            names,
            seeds,
            comparison.config,
            comparison.text,
            [answer for answer in answers if answer.encoding in ("none", *names)],
            command_line(*described),
            scale_up_command(*described),
        )
        write_atomically(
            out / "results.json", json.dumps(results.to_json(), indent=1, allow_nan=False) + "\n"
        )
        write_atomically(out / "report.html", render_report(results))
    return results


def _complete(trials: Sequence[Trial], comparison: Comparison) -> tuple[list[str], list[int]]:
    """Encodings and seeds of the folder for which no trial is missing, those asked for first.

    A folder that is resumed with fewer encodings or seeds than it holds keeps them in its report.
    """
    done = {(trial.encoding, trial.seed) for trial in trials}
    names = list(comparison.encodings)
    seeds = sorted(
        seed
        for seed in {*comparison.seeds, *(seed for _, seed in done)}
        if all((name, seed) in done for name in names)
    )
    others = dict.fromkeys(name for name, _ in sorted(done) if name not in names)
    names += [name for name in others if all((name, seed) in done for seed in seeds)]
    return names, seeds

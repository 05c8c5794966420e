"""Tunes what a method leaves open, on documents that are never measured."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phasor._extend.documents import Documents
from phasor._extend.events import Watch
from phasor._extend.evidence import edges
from phasor._extend.install import installed
from phasor._extend.methods import RotaryCandidate
from phasor._extend.plan import Task
from phasor._extend.rotation import RotarySubject
from phasor._extend.space import Setting, Space, spaces
from phasor._extend.store import Measurement
from phasor._kit.watching import begin
from phasor.errors import ArgumentError
from phasor.installation import needs
from phasor.measure import in_bins, token_losses

TRIALS = 24
"""Settings that are tried of each method, the budget permitting."""
SHARE = 0.4
"""Of the budget, at most this much is searched for."""

_SEED = 20_260_103
_RANDOM = 6  # trials before the sampler relies on what it has seen
_COMPARED = 4  # trials that are read whole before any is stopped early


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What the search of one method came to.

    Args:
        candidate: With the setting of least loss.
        setting: That setting.
        loss: Its mean over the documents searched, nats per token.
        start_loss: The same of the first setting tried, which is the method as it is without a
            search (`longrope`: the stretch of ntk); `None` if it was no finite number.
        trials: Settings tried.
        pruned: Of those, how many were stopped early.
        complete: Whether the budget allowed all trials.
        tried: Of each trial in order, its mean over the documents that it read, `None` if that was
            no finite number, and whether it was stopped early.
    """

    candidate: RotaryCandidate
    setting: dict[str, float]
    loss: float
    start_loss: float | None
    trials: int
    pruned: int
    complete: bool
    tried: tuple[tuple[float | None, bool], ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without the candidate."""
        values = asdict(self)
        del values["candidate"]
        return values


def check_installed() -> None:
    """Raise unless Optuna is there."""
    needs("optuna", "search=True")


def search(
    subject: RotarySubject,
    documents: Documents,
    folder: Path,
    setup: dict[str, Any],
    watch: Watch,
    *,
    budget: float | None,
    resume: bool,
    trials: int | None = None,
) -> tuple[list[Searched], bool]:
    """Find a setting of each method that gives the least loss on `documents.search`.

    The loss is the mean over all tokens of documents as long as the target. A setting is stopped
    early if its mean over the documents read so far is above the median of those read whole.

    Every trial is on disk when it ends, and the sampler of each is seeded by how many ended before
    it: a search that was killed and goes on tries the same settings and finds the same one. Where a
    budget ends it, how far it comes depends on the speed of the machine. What has ended stays as it
    was found.

    Args:
        subject: The model.
        documents: Of which only those for searching are read.
        folder: Where the trials are kept, open for this process alone.
        setup: What decides the outcome, as plain JSON values.
        watch: Told of each trial.
        budget: Seconds for all methods together; `None` for no limit.
        resume: Go on with trials that are there.
        trials: Of each method; `TRIALS` if `None`.

    Returns:
        What was found of each method for which there was time, and whether the budget allowed all
        trials of all.

    Raises:
        ArgumentError: No document to search on, or trials in `folder` that cannot be gone on with.
    """
    if not documents.search:
        raise ArgumentError(
            f"search=True needs documents of more than {subject.situation.target_length:,} tokens "
            f"beside the {len(documents.measured)} to measure on, and {documents.source} has no "
            "more; pass more text with text="
        )
    trials = TRIALS if trials is None else trials
    file = folder / "search.db"
    if file.exists() and not resume:
        raise ArgumentError(
            f"{folder} holds a search of a run that did not end; add resume=True to go on "
            "with it, or delete that folder"
        )
    setup = {**setup, "documents": len(documents.search), "trials": trials}
    open_spaces = spaces(subject.situation)
    start = time.monotonic()
    found: list[Searched] = []
    with _storage(file) as storage:
        for at, space in enumerate(open_spaces):
            limit = None
            if budget is not None:
                left = budget - (time.monotonic() - start)
                limit = left / (len(open_spaces) - at)
            study = _Study(storage, space, setup)
            study.run(subject, documents, watch, trials=trials, budget=limit)
            if (result := study.result()) is not None:
                found.append(result)
    return found, len(found) == len(open_spaces) and all(one.complete for one in found)


class _Study:
    """The trials of one method."""

    def __init__(self, storage: Any, space: Space, setup: dict[str, Any]) -> None:
        import optuna

        self._space = space
        self._ranges: dict[str, Any] = {
            name: optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)
            for name, values in space.ranges.items()
        }
        self._study = optuna.create_study(
            storage=storage,
            study_name=space.name,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_COMPARED, n_warmup_steps=0),
        )
        before = self._study.user_attrs.get("setup")
        if before not in (None, setup):
            raise ArgumentError(
                f"the search that was begun was another: {before} there and {setup} here; repeat "
                "with those, or choose another folder with out="
            )
        self._study.set_user_attr("setup", setup)

    def run(
        self,
        subject: RotarySubject,
        documents: Documents,
        watch: Watch,
        *,
        trials: int,
        budget: float | None,
    ) -> None:
        """Try settings until there are `trials`, or the next would not end within `budget`."""
        from optuna.trial import TrialState

        if "complete" in self._study.user_attrs:
            return
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # A process that was killed left it.
            self._study.tell(trial.number, state=TrialState.FAIL)
        begun = time.monotonic()
        longest = 0.0
        while (count := len(self._ended())) < trials:
            start = time.monotonic()
            if budget is not None and start - begun + longest > budget:
                break
            self._try(count, subject, documents, watch)
            longest = max(longest, time.monotonic() - start)
        self._study.set_user_attr("complete", len(self._ended()) >= trials)

    def _try(self, count: int, subject: RotarySubject, documents: Documents, watch: Watch) -> None:
        import optuna

        self._study.sampler = optuna.samplers.TPESampler(
            seed=_SEED + count, n_startup_trials=_RANDOM
        )
        if count < len(self._space.starts):
            setting = dict(self._space.starts[count])
            means = list(self._means(count, setting, subject, documents, watch))
            self._study.add_trial(
                optuna.create_trial(
                    params=setting,
                    distributions=self._ranges,
                    value=means[-1],
                    intermediate_values=dict(enumerate(means)),
                )
            )
            return
        trial = self._study.ask(self._ranges)
        mean = math.inf
        last = len(documents.search) - 1
        reading = self._means(count, trial.params, subject, documents, watch)
        for step, mean in enumerate(reading):
            trial.report(mean, step)
            if step < last and trial.should_prune():
                reading.close()
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return
        self._study.tell(trial, mean)

    def _means(
        self,
        count: int,
        setting: Setting,
        subject: RotarySubject,
        documents: Documents,
        watch: Watch,
    ) -> Any:
        """Mean loss over the first document, over the first two, and so on."""
        length = subject.situation.target_length
        bounds = edges(length, subject.situation.trained_length)
        candidate = self._space.candidate(setting)
        frequencies = candidate.frequencies(subject.situation.frequencies, length)
        task = Task(kind="search", candidate=self._space.name, document=count, length=length)
        advance = begin(watch, task, length * len(documents.search))
        start = time.monotonic()
        rows: list[tuple[float, ...]] = []
        total = 0.0
        try:
            for document in documents.search:
                with installed(subject.rotary, frequencies):
                    losses = token_losses(
                        subject.model, document.to(subject.model.device), progress=advance
                    )
                rows.append(in_bins(losses, bounds).nats)
                total += losses.mean().item()
                mean = total / len(rows)
                yield mean if math.isfinite(mean) else math.inf
        finally:
            if rows:
                watch(
                    Measurement(
                        kind="search", candidate=self._space.name, document=count, length=length,
                        depth=None, values=_mean(rows), seconds=time.monotonic() - start,
                    )
                )  # fmt: skip

    def _ended(self) -> list[Any]:
        from optuna.trial import TrialState

        states = (TrialState.COMPLETE, TrialState.PRUNED)
        return self._study.get_trials(deepcopy=False, states=states)

    def result(self) -> Searched | None:
        """What was found; `None` if no trial ended with a finite loss."""
        from optuna.trial import TrialState

        ended = self._ended()
        whole = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        if not whole:
            return None
        best = min(whole, key=lambda trial: (trial.value, trial.number))
        if not math.isfinite(best.value):
            return None
        return Searched(
            candidate=self._space.candidate(best.params),
            setting=dict(best.params),
            loss=best.value,
            start_loss=whole[0].value if math.isfinite(whole[0].value) else None,
            trials=len(ended),
            pruned=len(ended) - len(whole),
            complete=self._study.user_attrs["complete"],
            tried=tuple(
                (value if math.isfinite(value) else None, trial.state == TrialState.PRUNED)
                for trial in ended
                for value in [trial.intermediate_values[max(trial.intermediate_values)]]
            ),
        )


def _mean(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(column) / len(column) for column in zip(*rows, strict=True))


@contextmanager
def _storage(file: Path) -> Iterator[Any]:
    """Trials in the database `file`, with Optuna's remarks on each switched off."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = None
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{file.absolute()}")
        yield storage
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise OSError(f"cannot write {file}: {error.__cause__ or error}") from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()
        optuna.logging.set_verbosity(verbosity)

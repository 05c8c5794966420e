"""Which measurement comes next: cheap ones first, and none that the budget cannot pay for."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from phasor._extend.store import Measurement, passkeys_found

DEPTHS = (0.1, 0.5, 0.9)
_SHORT = 8  # the first look reads an eighth of the trained length
_FINALISTS = 2
_BEFORE_PASSKEYS = 4
"""Documents that are read before any pass key is asked for: of fewer, intervals are too wide."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A measurement that is to be made; the fields are those of `Measurement`."""

    kind: str
    candidate: str
    document: int
    length: int
    depth: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """That of the measurement it becomes."""
        return self.kind, self.candidate, self.document, self.length, self.depth

    def measured(self, values: tuple[float, ...], seconds: float) -> Measurement:
        """The measurement it becomes."""
        return Measurement(
            kind=self.kind, candidate=self.candidate, document=self.document, length=self.length,
            depth=self.depth, values=values, seconds=seconds,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured, in order, given what has been.

    Args:
        names: Of the candidates, `"none"` first.
        trained_length: Tokens.
        target_length: Tokens.
        documents: How many there are.
        passkey_lengths: Tokens of the prompts, ascending.
        passkey_trials: Prompts of each length and depth.
        ends: Whether the model as it is cannot read past its trained length at all.
    """

    names: Sequence[str]
    trained_length: int
    target_length: int
    documents: int
    passkey_lengths: Sequence[int]
    passkey_trials: int
    ends: bool = False

    def next(self, done: Sequence[Measurement]) -> list[Task]:
        """All that is left, in order; what comes later may still change with what is found."""
        known = {measurement.key for measurement in done}
        return [task for task in self._all(done) if task.key not in known and self._possible(task)]

    def _all(self, done: Sequence[Measurement]) -> list[Task]:
        short = max(2, self.trained_length // _SHORT)
        tasks = [self._loss(name, 0, short) for name in self.names]
        names = ranked(done, self.names, short)
        documents = range(self.documents)
        for document in documents[:_BEFORE_PASSKEYS]:
            tasks.append(self._cropped(document))
            tasks += [self._loss(name, document, self.target_length) for name in names]
        finalists = self.finalists(done)
        asked = finalists
        for length in self.passkey_lengths:
            tasks += [
                Task(kind="passkey", candidate=name, document=trial, length=length, depth=depth)
                for trial in range(self.passkey_trials)
                for depth in DEPTHS
                for name in asked
            ]
            # What finds none of them here holds no further: longer prompts, which cost most, would
            # tell nothing.
            asked = [name for name in asked if not self._lost(name, length, done)]
        for document in documents[_BEFORE_PASSKEYS:]:
            tasks.append(self._cropped(document))
            tasks += [
                self._loss(name, document, self.target_length)
                for name in sorted(names, key=lambda name: name not in finalists)
            ]
        return tasks

    def finalists(self, done: Sequence[Measurement]) -> list[str]:
        """The model as it is, and the two that lose least on the first documents."""
        names = ranked(done, self.names, self.target_length, documents=_BEFORE_PASSKEYS)
        return ["none", *[name for name in names if name != "none"][:_FINALISTS]]

    def _possible(self, task: Task) -> bool:
        # The reference reads windows of the trained length, one after the other.
        within = task.length <= self.trained_length or task.kind == "cropped"
        return within or task.candidate != "none" or not self.ends

    def _lost(self, name: str, length: int, done: Sequence[Measurement]) -> bool:
        """Whether `name` was asked for every pass key of `length` and found none."""
        every = self.passkey_trials * len(DEPTHS)
        return passkeys_found(name, done).get(length) == (0, every)

    def _loss(self, name: str, document: int, length: int) -> Task:
        return Task(kind="loss", candidate=name, document=document, length=length)

    def _cropped(self, document: int) -> Task:
        return Task(kind="cropped", candidate="none", document=document, length=self.target_length)


def ranked(
    done: Sequence[Measurement], names: Sequence[str], length: int, *, documents: int = 1
) -> list[str]:
    """`"none"`, then the others by their loss on the first `documents` at `length`, best first."""
    losses: dict[str, list[float]] = {name: [] for name in names}
    for m in done:
        read = (m.kind, m.length) == ("loss", length) and m.document < documents
        if read and m.candidate in losses:
            losses[m.candidate].append(sum(m.values) / len(m.values))
    loss = {name: sum(each) / len(each) for name, each in losses.items() if each}
    return sorted(names, key=lambda name: (name != "none", loss.get(name, float("inf"))))


class Clock:
    """Time spent and time to come, from a model of cost and what passes have taken so far.

    Args:
        per_token: Cost of a token without context, in any unit.
        per_score: Cost of one more token of context for one token, in the same.
        budget: Seconds, or `None` for no limit.
    """

    def __init__(self, *, per_token: float, per_score: float, budget: float | None) -> None:
        self._per_token, self._per_score = per_token, per_score
        self._budget = budget
        self._start = time.monotonic()
        self._cost = self._seconds = 0.0

    def cost(self, task: Task, window: int) -> float:
        """Of a task, in the unit of the constructor; `window` is the trained length."""
        if task.kind != "cropped":
            return self._pass(task.length)
        passes = max(1, -(-(task.length - window) // max(1, window // 2)) + 1)
        return passes * self._pass(min(window, task.length))

    def learn(self, cost: float, seconds: float) -> None:
        """Take in what a pass took."""
        self._cost += cost
        self._seconds += seconds

    def seconds(self, cost: float) -> float:
        """What `cost` will take, as far as is known; 0 before the first pass."""
        return cost * self._seconds / self._cost if self._cost else 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def allows(self, cost: float) -> bool:
        """Whether a pass of `cost` fits into what is left of the budget."""
        return self._budget is None or self.elapsed + self.seconds(cost) <= self._budget

    def _pass(self, length: int) -> float:
        return length * self._per_token + length**2 / 2 * self._per_score

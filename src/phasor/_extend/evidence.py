"""Runs the measurements of a plan, one after the other, and keeps each."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from phasor._extend.documents import Documents
from phasor._extend.events import Watch
from phasor._extend.plan import Clock, Plan, Task
from phasor._extend.store import Store
from phasor._extend.subject import Candidate, Subject
from phasor._kit.watching import begin
from phasor.errors import ArgumentError
from phasor.measure import cropped_losses, in_bins, passkey_found, passkey_prompt, token_losses

_PASSKEY_SEED = 20_260_102
_BINS = 16


def edges(length: int, trained_length: int) -> list[int]:
    """Where bins of positions begin and end, sixteen at most; one begins at `trained_length`.

    They are as wide as each other within the trained length, and beyond it.
    """
    if length <= trained_length:
        return _equal(0, length, _BINS)
    inside = min(_BINS - 1, max(1, round(_BINS * trained_length / length)))
    return [
        *_equal(0, trained_length, inside)[:-1],
        *_equal(trained_length, length, _BINS - inside),
    ]


def gather(
    subject: Subject,
    found: Sequence[Candidate],
    documents: Documents,
    plan: Plan,
    store: Store,
    watch: Watch,
    *,
    budget: float | None,
) -> bool:
    """Measure what `plan` asks for and `store` lacks.

    Args:
        subject: The model.
        found: The candidates.
        documents: To measure on.
        plan: What, in which order.
        store: Where each measurement goes as soon as it is made.
        watch: Told of each.
        budget: Seconds; what would not end within them is left out.

    Returns:
        Whether all was measured.
    """
    by_name = {candidate.name: candidate for candidate in found}
    clock = _clock(subject.model, budget)
    for measurement in store.measurements:
        task = Task(
            kind=measurement.kind, candidate=measurement.candidate, document=measurement.document,
            length=measurement.length, depth=measurement.depth,
        )  # fmt: skip
        clock.learn(clock.cost(task, plan.trained_length), measurement.seconds)
    while tasks := plan.next(store.measurements):
        costs = [clock.cost(task, plan.trained_length) for task in tasks]
        if not clock.allows(costs[0]):
            return False
        task = tasks[0]
        advance = begin(watch, task, task.length, left=clock.seconds(sum(costs)))
        start = time.monotonic()
        values = _measure(subject, by_name[task.candidate], documents, task, advance)
        seconds = time.monotonic() - start
        clock.learn(costs[0], seconds)
        measurement = task.measured(values, seconds)
        store.add(measurement)
        watch(measurement)
    return True


def _measure(
    subject: Subject,
    candidate: Candidate,
    documents: Documents,
    task: Task,
    advance: Callable[[int], None],
) -> tuple[float, ...]:
    # What changes its frequencies with the length sees no more than a window of the reference.
    length = subject.trained_length if task.kind == "cropped" else task.length
    with subject.running(candidate, length) as model:
        if task.kind == "passkey":
            seed = _PASSKEY_SEED + task.document * 1000 + round(100 * (task.depth or 0))
            prompt = passkey_prompt(
                subject.tokenizer,
                task.length,
                task.depth or 0.0,
                torch.Generator().manual_seed(seed),
            )
            return (float(passkey_found(model, prompt, progress=advance)),)
        document = documents.measured[task.document][: task.length + 1].to(model.device)
        if task.kind == "cropped":
            losses = cropped_losses(model, document, subject.trained_length, progress=advance)
        else:
            losses = token_losses(model, document, progress=advance)
    if not losses.isfinite().all():
        raise ArgumentError(
            f"{subject.path} gives losses that are not finite numbers with {candidate.name} at "
            f"{task.length:,} tokens; leave it out with methods="
        )
    return in_bins(losses, edges(task.length, subject.trained_length)).nats


def _equal(start: int, end: int, bins: int) -> list[int]:
    bins = min(bins, end - start)
    return [start + (end - start) * at // bins for at in range(bins + 1)]


def _clock(model: Any, budget: float | None) -> Clock:
    config = model.config.get_text_config()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    # Two operations for each weight, four for each channel of a score; scores run at a quarter of
    # the speed of matrix products.
    per_score = 4.0 * 4 * config.hidden_size * config.num_hidden_layers
    return Clock(per_token=2.0 * parameters, per_score=per_score, budget=budget)

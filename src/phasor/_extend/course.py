"""The course of the measurements: of a rotary model, and of a learned table."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phasor._extend import finetune as tuning
from phasor._extend.documents import Documents
from phasor._extend.embeddings import (
    Embeddings,
    embeddings_verdict,
    gather_embeddings,
    judge_embeddings,
)
from phasor._extend.events import Watch
from phasor._extend.evidence import gather
from phasor._extend.explain import Explanation, TableExplanation, explain, explain_table
from phasor._extend.methods import RotaryCandidate, Situation
from phasor._extend.plan import Plan
from phasor._extend.rotation import RotarySubject
from phasor._extend.search import SHARE, Searched, search
from phasor._extend.store import Measurement, Store
from phasor._extend.subject import Candidate, Subject
from phasor._extend.table import TableCandidate, TableSubject
from phasor._extend.verdict import Verdict, judge


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What measurements are made on, and how long they may take.

    Args:
        texts: The documents.
        plan: What is measured, in which order.
        folder: Where results are kept.
        setup: What decides them, as plain JSON values.
        store: Of the measurements, in `folder`.
        watch: Told of each.
        budget: Seconds; `None` for no limit.
        resume: Go on with what is in `folder`.
    """

    texts: Documents
    plan: Plan
    folder: Path
    setup: dict[str, Any]
    store: Store
    watch: Watch
    budget: float | None
    resume: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the measurements came to.

    Args:
        found: All candidates, searched and trained ones among them.
        explanation: Of them.
        verdict: Of them.
        complete: Whether all was measured.
        subjects: By candidate, the model to write where it is not the one that was loaded.
        searched: What was found by searching.
        training: Loss of each step of fine-tuning.
        embeddings: Of a model without a language-model head.
    """

    found: Sequence[Candidate]
    explanation: Explanation | TableExplanation
    verdict: Verdict
    complete: bool
    subjects: dict[str, Subject]
    searched: Sequence[Searched] = ()
    training: tuple[float, ...] = ()
    embeddings: Embeddings | None = None


def measure_rotary(
    subject: RotarySubject,
    found: Sequence[RotaryCandidate],
    terms: Circumstances,
    *,
    tune: bool,
    finetune: int,
) -> Outcome:
    """Search if `tune`, measure, and train what is best for `finetune` steps."""
    situation, budget, plan = subject.situation, terms.budget, terms.plan
    found = list(found)
    searched, settled = [], True
    if tune:
        start = time.monotonic()
        searched, settled = search(
            subject, terms.texts, terms.folder, terms.setup, terms.watch,
            budget=None if budget is None else SHARE * budget, resume=terms.resume,
        )  # fmt: skip
        found += [one.candidate for one in searched]
        plan = replace(plan, names=[candidate.name for candidate in found])
        budget = None if budget is None else budget - (time.monotonic() - start)
    complete = gather(subject, found, terms.texts, plan, terms.store, terms.watch, budget=budget)
    subjects: dict[str, Subject] = {}
    training: tuple[float, ...] = ()
    if finetune and complete:
        base = _to_train(found, terms.store.measurements, situation)
        tuned, candidate, training = tuning.finetune(
            subject, base, terms.texts, terms.folder, terms.setup, terms.watch,
            steps=finetune, resume=terms.resume,
        )  # fmt: skip
        subjects[candidate.name] = tuned
        plan = replace(plan, names=["none", candidate.name])
        gather(
            tuned, [found[0], candidate], terms.texts, plan, terms.store, terms.watch, budget=None
        )
        found.append(candidate)
    tried = ["search"] * bool(searched) + ["finetune"] * bool(subjects)
    verdict = judge(
        terms.store.measurements, found, trained_length=situation.trained_length,
        target_length=situation.target_length, tried=tried,
    )  # fmt: skip
    return Outcome(
        found=found, explanation=explain(situation, found), verdict=verdict,
        complete=complete and settled, subjects=subjects, searched=searched, training=training,
    )  # fmt: skip


def measure_table(
    subject: TableSubject, found: Sequence[TableCandidate], terms: Circumstances
) -> Outcome:
    """Measure a table and what is made of it: by losses, or by vectors where there are none."""
    trained, target = subject.trained_length, subject.target_length
    store, budget = terms.store, terms.budget
    explanation = explain_table(subject, found)
    if subject.causal:
        complete = gather(
            subject, found, terms.texts, terms.plan, store, terms.watch, budget=budget
        )
        verdict = judge(
            store.measurements, found, trained_length=trained, target_length=target, ends=True
        )
        return Outcome(
            found=found, explanation=explanation, verdict=verdict, complete=complete, subjects={}
        )
    complete = gather_embeddings(subject, found, terms.texts, store, terms.watch, budget=budget)
    embeddings = judge_embeddings(store.measurements)
    return Outcome(
        found=found, explanation=explanation,
        verdict=embeddings_verdict(embeddings, found, trained, target),
        complete=complete, subjects={}, embeddings=embeddings,
    )  # fmt: skip


def _to_train(
    found: Sequence[RotaryCandidate], measured: Sequence[Measurement], situation: Situation
) -> RotaryCandidate:
    """What would be written; where nothing would, what loses least over all positions."""
    verdict = judge(
        measured, found,
        trained_length=situation.trained_length, target_length=situation.target_length,
    )  # fmt: skip
    least = [finding.name for finding in verdict.ranked if finding.name != "none"]
    name = verdict.written or (least[0] if least else "none")
    return next(candidate for candidate in found if candidate.name == name)

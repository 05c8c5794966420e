"""The whole of it: load, explain, measure, judge, write."""

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import phasor
from phasor.errors import ArgumentError
from phasor.extension import finetune as tuning
from phasor.extension.documents import Documents, read_documents
from phasor.extension.evidence import Watcher, gather
from phasor.extension.explain import Explanation, explain
from phasor.extension.methods import Candidate, Situation, candidates
from phasor.extension.page import render_page
from phasor.extension.plan import Plan
from phasor.extension.result import Extension
from phasor.extension.search import SHARE, check_installed, search
from phasor.extension.source import Subject, load
from phasor.extension.store import Measurement, open_store
from phasor.extension.verdict import judge
from phasor.extension.write import appearing, write_checkpoint
from phasor.lab.measure import passkey_room


class Screen(Watcher, Protocol):
    """Shows what happens, from the explanation on."""

    def explained(self, subject: Subject, explanation: Explanation) -> None:
        """The model is loaded and its frequencies are understood."""
        ...


class _Silent:
    def explained(self, subject: Subject, explanation: Explanation) -> None: ...
    def begin(self, task: object, tokens: int, left: float) -> None: ...
    def read(self, tokens: int) -> None: ...
    def end(self, measurement: object) -> None: ...


def extend(
    path: Path | str,
    *,
    to: int,
    methods: Sequence[str] = ("auto",),
    tune: bool = False,
    finetune: int = 0,
    text: Path | None = None,
    out: Path | None = None,
    documents: int = 4,
    passkeys: int = 1,
    budget: float | None = None,
    device: str = "cpu",
    resume: bool = False,
    screen: Screen | None = None,
) -> Extension:
    """Measure how a checkpoint can be given a longer context, and write it with what is best.

    Args:
        path: A checkpoint folder of transformers, or a GGUF file; never touched.
        to: Tokens that are wanted.
        methods: Names, or `"auto"`.
        tune: Also search settings, on text that is not measured.
        finetune: Steps to train what holds furthest for, beside the budget; 0 for none.
        text: What to measure on; the source of the Python standard library if `None`.
        out: Folder for the checkpoint and the report; nothing is written if `None`.
        documents: To measure on, at most.
        passkeys: Prompts of each length and depth; 0 asks for none.
        budget: Seconds to search and measure for; `None` for as long as it takes.
        device: Where to run the model.
        resume: Go on with the measurements of a run that did not end.
        screen: Told what happens.

    Returns:
        Everything found.

    Raises:
        ArgumentError: A checkpoint, text, target or folder that cannot be used; it says why.
    """
    screen = screen or _Silent()
    if out is not None and out.exists():
        raise ArgumentError(f"{out} exists already; choose another folder with --out")
    if documents < 1 or passkeys < 0:
        raise ArgumentError(
            f"documents must be at least 1 and passkeys at least 0, got {documents} and {passkeys}"
        )
    if finetune < 0:
        raise ArgumentError(f"--finetune must be a number of steps, got {finetune}")
    if tune:
        check_installed()
    if finetune:
        tuning.check_installed()
    if budget is not None and not budget >= 0:
        raise ArgumentError(f"the budget must not be negative, got {budget:g} seconds")
    if resume and out is None:
        raise ArgumentError("a run is resumed from what it left beside its folder; pass --out too")
    subject = load(Path(path), target_length=to, device=device)
    situation = subject.situation
    found = candidates(methods, situation)
    explanation = explain(situation, found)
    screen.explained(subject, explanation)
    texts = read_documents(subject.tokenizer, text, to, count=documents)
    if finetune:
        tuning.check_documents(texts)
    plan = Plan(
        names=[candidate.name for candidate in found],
        trained_length=situation.trained_length,
        target_length=to,
        documents=len(texts.measured),
        passkey_lengths=_passkey_lengths(subject) if passkeys else (),
        passkey_trials=passkeys,
    )
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if out is None else out.with_name(f"{out.name}.measuring")
        setup = _setup(subject, texts)
        searched, settled = [], True
        with open_store(folder, setup, resume=resume) as store:
            if tune:
                start = time.monotonic()
                share = None if budget is None else SHARE * budget
                searched, settled = search(
                    subject, texts, folder, setup, screen, budget=share, resume=resume
                )
                found += [one.candidate for one in searched]
                plan = replace(plan, names=[candidate.name for candidate in found])
                explanation = explain(situation, found)
                budget = None if budget is None else budget - (time.monotonic() - start)
            complete = gather(subject, found, texts, plan, store, screen, budget=budget)
            trained: dict[str, Subject] = {}
            if finetune and complete:
                base = _to_train(found, store.measurements, situation)
                tuned, candidate = tuning.finetune(
                    subject, base, texts, folder, setup, screen, steps=finetune, resume=resume
                )
                trained[candidate.name] = tuned
                plan = replace(plan, names=["none", candidate.name])
                gather(tuned, [found[0], candidate], texts, plan, store, screen, budget=None)
                found.append(candidate)
                explanation = explain(situation, found)
            measured = list(store.measurements)
        verdict = judge(measured, found, trained_length=situation.trained_length, target_length=to)
        result = Extension(
            explanation=explanation,
            verdict=verdict,
            complete=complete and settled,
            text={"source": texts.source, "sha256": texts.sha256},
            methods={candidate.name: candidate.why for candidate in found},
            fields={},
            searched={one.candidate.name: one.to_json() for one in searched},
        )
        if out is not None:
            best = trained.get(verdict.best or "", subject)
            result = _write(best, found, result, out, folder)
    return result


def _write(
    subject: Subject, found: Sequence[Candidate], result: Extension, out: Path, measured: Path
) -> Extension:
    """The checkpoint, if there is one to recommend, the report and all numbers, in one piece."""
    with appearing(out) as draft:
        best = [candidate for candidate in found if candidate.name == result.verdict.best]
        if best:
            result = replace(result, fields=write_checkpoint(subject, best[0], draft))
        values = result.to_json()
        (draft / "extension.json").write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")
        (draft / "report.html").write_text(render_page(result), encoding="utf-8")
        shutil.copy(measured / "measurements.jsonl", draft)
    shutil.rmtree(measured)
    return result


def _to_train(
    found: Sequence[Candidate], measured: Sequence[Measurement], situation: Situation
) -> Candidate:
    """What holds furthest; where nothing does, what loses least over all documents."""
    verdict = judge(
        measured, found,
        trained_length=situation.trained_length, target_length=situation.target_length,
    )  # fmt: skip
    widths = [end - start for start, end in pairwise(verdict.edges)]
    loss = {
        finding.name: sum(width * value for width, value in zip(widths, finding.loss, strict=True))
        for finding in verdict.findings[1:] or verdict.findings
    }
    name = verdict.best or min(loss, key=lambda name: loss[name])
    return next(candidate for candidate in found if candidate.name == name)


def _passkey_lengths(subject: Subject) -> tuple[int, ...]:
    """Within the trained length, at it, between it and the target, and at the target.

    Those that have no room for the question are left out, and all of them if the trained length
    has none: what a model finds beyond it would have nothing to be compared with.
    """
    trained, target = subject.situation.trained_length, subject.situation.target_length
    least = passkey_room(subject.tokenizer)
    if least > trained:
        return ()
    lengths = {trained // 2, trained, (trained + target) // 2, target}
    return tuple(sorted(length for length in lengths if length >= least))


def _setup(subject: Subject, texts: Documents) -> dict[str, Any]:
    """What decides the outcome of a measurement beside its task."""
    return {
        "path": str(subject.path),
        "trained_length": subject.situation.trained_length,
        "target_length": subject.situation.target_length,
        "text": texts.sha256,
        "phasor": phasor.__version__,
    }

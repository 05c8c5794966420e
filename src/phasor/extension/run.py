"""The whole of it: load, explain, measure, judge, write."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import phasor
from phasor.checkpoints.whole_folder import passing_folder
from phasor.errors import ArgumentError
from phasor.extension import finetune as tuning
from phasor.extension.course import Terms, measure_rotary, measure_table
from phasor.extension.documents import Documents, read_documents
from phasor.extension.evidence import Watcher
from phasor.extension.explain import Explanation, TableExplanation, explain, explain_table
from phasor.extension.guess import check_better_than_a_guess
from phasor.extension.methods import candidates
from phasor.extension.page import render_page
from phasor.extension.place import check_place, keep, measuring, reopen, settle, written_to
from phasor.extension.plan import Plan
from phasor.extension.result import Extension
from phasor.extension.rotation import RotarySubject
from phasor.extension.search import check_installed
from phasor.extension.source import fingerprint, load
from phasor.extension.store import open_store
from phasor.extension.subject import Candidate, Subject
from phasor.extension.table import TableSubject, table_candidates
from phasor.extension.write import appearing, write_checkpoint
from phasor.lab.measure import passkey_room


class Screen(Watcher, Protocol):
    """Shows what happens, from the explanation on."""

    def explained(self, subject: Subject, explanation: Explanation | TableExplanation) -> None:
        """The model is loaded and its frequencies are understood."""
        ...

    def left_out(self, what: str) -> None:
        """Of the text, `what` was not read."""
        ...


class _Silent:
    def explained(self, subject: Subject, explanation: Explanation | TableExplanation) -> None: ...
    def left_out(self, what: str) -> None: ...
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
    documents: int = 8,
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
        resume: Go on with the measurements of a run that was stopped, or that ended at `out`: with
            more budget, documents, pass keys or methods.
        screen: Told what happens.

    Returns:
        Everything found.

    Raises:
        ArgumentError: A checkpoint, text, target or folder that cannot be used; it says why.
    """
    screen = screen or _Silent()
    if out is not None:
        check_place(out, resume=resume)
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
    if isinstance(subject, TableSubject) and (tune or finetune):
        raise ArgumentError(
            f"{path} has a learned table, which leaves nothing open to search and is not trained "
            "so far; leave out --search and --finetune"
        )
    found, explanation = _understand(subject, methods)
    screen.explained(subject, explanation)
    texts = read_documents(subject.tokenizer, text, to, count=documents)
    if texts.left_out:
        screen.left_out(texts.left_out)
    if subject.model.can_generate():
        check_better_than_a_guess(subject, found[0], texts)
    if finetune:
        tuning.check_documents(texts)
    plan = Plan(
        names=[candidate.name for candidate in found],
        trained_length=subject.trained_length,
        target_length=to,
        documents=len(texts.measured),
        passkey_lengths=_passkey_lengths(subject) if passkeys else (),
        passkey_trials=passkeys,
        ends=isinstance(subject, TableSubject),
    )
    with passing_folder() if out is None else nullcontext(measuring(out)) as folder:
        # Without --out nothing can be gone on with, and the weights need not be read once more.
        setup = {} if out is None else _setup(subject, texts)
        if out is not None:
            reopen(out)
        with open_store(folder, setup, resume=resume) as store:
            terms = Terms(
                texts=texts, plan=plan, folder=folder, setup=setup, store=store, watcher=screen,
                budget=budget, resume=resume,
            )  # fmt: skip
            if isinstance(subject, TableSubject):
                outcome = measure_table(subject, found, terms)
            else:
                outcome = measure_rotary(subject, found, terms, tune=tune, finetune=finetune)
        result = Extension(
            explanation=outcome.explanation,
            verdict=outcome.verdict,
            complete=outcome.complete,
            text={"source": texts.source, "sha256": texts.sha256, "left_out": texts.left_out},
            methods={candidate.name: candidate.why for candidate in outcome.found},
            fields={},
            searched={one.candidate.name: one.to_json() for one in outcome.searched},
            training=outcome.training,
            embeddings=outcome.embeddings,
        )
        if out is not None:
            best = outcome.subjects.get(outcome.verdict.written or "", subject)
            result = _write(best, outcome.found, result, out, folder)
    return result


def _understand(
    subject: RotarySubject | TableSubject, methods: Sequence[str]
) -> tuple[Sequence[Any], Explanation | TableExplanation]:
    """The candidates, and what can be said of them without running the model."""
    if isinstance(subject, TableSubject):
        tables = table_candidates(methods, subject)
        return tables, explain_table(subject, tables)
    found = candidates(methods, subject.situation)
    return found, explain(subject.situation, found)


def _write(
    subject: Subject, found: Sequence[Candidate], result: Extension, out: Path, measured: Path
) -> Extension:
    """The checkpoint, if there is one to recommend, the report and all numbers, in one piece."""
    advice = "make room, and go on with --resume: what was measured is kept"
    place = written_to(out, measured)
    with appearing(place, advice=advice) as draft:
        best = [candidate for candidate in found if candidate.name == result.verdict.written]
        if best:
            result = replace(result, fields=write_checkpoint(subject, best[0], draft))
        values = result.to_json()
        (draft / "extension.json").write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")
        (draft / "report.html").write_text(render_page(result), encoding="utf-8")
        keep(measured, draft)
    settle(place, out, measured)
    return result


def _passkey_lengths(subject: Subject) -> tuple[int, ...]:
    """Within the trained length, at it, between it and the target, and at the target.

    Those that have no room for the question are left out, and all of them if the trained length
    has none: what a model finds beyond it would have nothing to be compared with.
    """
    trained, target = subject.trained_length, subject.target_length
    least = passkey_room(subject.tokenizer)
    if least > trained:
        return ()
    lengths = {trained // 2, trained, (trained + target) // 2, target}
    return tuple(sorted(length for length in lengths if length >= least))


def _setup(subject: Subject, texts: Documents) -> dict[str, Any]:
    """What decides the outcome of a measurement beside its task."""
    return {
        "path": str(subject.path),
        "weights": fingerprint(subject.path),
        "trained_length": subject.trained_length,
        "target_length": subject.target_length,
        "text": texts.sha256,
        "first_document": texts.first_sha256,
        "phasor": phasor.__version__,
    }

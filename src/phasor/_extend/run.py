"""The whole of it: load, explain, measure, judge, write."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

import phasor
from phasor._extend import finetune as tuning
from phasor._extend.course import Circumstances, measure_rotary, measure_table
from phasor._extend.documents import Documents, read_documents
from phasor._extend.events import Explained, LeftOut, Watch
from phasor._extend.explain import Explanation, TableExplanation, explain, explain_table
from phasor._extend.guess import check_better_than_a_guess
from phasor._extend.methods import candidates
from phasor._extend.options import Options
from phasor._extend.page import render_page
from phasor._extend.place import check_place, keep, measuring, reopen, settle, written_to
from phasor._extend.plan import Plan, Task
from phasor._extend.progress import shown_on
from phasor._extend.result import Extension
from phasor._extend.rotation import RotarySubject
from phasor._extend.search import check_installed
from phasor._extend.source import fingerprint, load
from phasor._extend.store import Measurement, open_store
from phasor._extend.subject import Candidate, Subject
from phasor._extend.table import TableSubject, table_candidates
from phasor._extend.write import appearing, write_checkpoint
from phasor._kit.watching import telling
from phasor._kit.whole_folder import passing_folder
from phasor._options import chosen_device, listed, taking
from phasor.errors import ArgumentError
from phasor.measure import passkey_room


@taking(Options)
def extend(options: Options) -> Extension:
    """Measure how a checkpoint can be given a longer context, and write it with what is best.

    Returns:
        Everything found.

    Raises:
        ArgumentError: A checkpoint, text, target or folder that cannot be used; it says why.

    """
    if options.progress is not None:
        return run(options, telling(options.progress, Task, Measurement))
    with shown_on(Console()) as watch:
        return run(options, watch)


def run(options: Options, watch: Watch) -> Extension:
    """What `extend` does; `watch` is told what happens."""
    out = None if options.out is None else Path(options.out)
    text = None if options.text is None else Path(options.text)
    to, resume, finetune = options.to, options.resume, options.finetune
    documents, passkeys, tune = options.documents, options.passkeys, options.search
    budget = None if options.budget is None else 60 * options.budget
    if out is not None:
        check_place(out, resume=resume)
    if documents < 1 or passkeys < 0:
        raise ArgumentError(
            f"documents must be at least 1 and passkeys at least 0, got {documents} and {passkeys}"
        )
    if finetune < 0:
        raise ArgumentError(f"finetune= must be a number of steps, got {finetune}")
    if tune:
        check_installed()
    if finetune:
        tuning.check_installed()
    if budget is not None and not budget >= 0:
        raise ArgumentError(f"the budget must not be negative, got {options.budget:g} minutes")
    if resume and out is None:
        raise ArgumentError("resume=True needs out=, beside which a run leaves what it measured")
    path, device = Path(options.path), chosen_device(options.device)
    subject = load(path, target_length=to, device=device)
    if isinstance(subject, TableSubject) and (tune or finetune):
        raise ArgumentError(
            f"{path} has a learned table, which leaves nothing open to search and is not trained "
            "so far; leave out search= and finetune="
        )
    found, explanation = _understand(subject, listed(options.methods))
    watch(Explained(explanation))
    texts = read_documents(subject.tokenizer, text, to, count=documents)
    if texts.left_out:
        watch(LeftOut(texts.left_out))
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
        # Without a folder nothing can be gone on with, and the weights need not be read once more.
        setup = {} if out is None else _setup(subject, texts)
        if out is not None:
            reopen(out)
        with open_store(folder, setup, resume=resume) as store:
            terms = Circumstances(
                texts=texts, plan=plan, folder=folder, setup=setup, store=store, watch=watch,
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
            searched={one.candidate.name: one for one in outcome.searched},
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
    advice = "make room, and go on with resume=True: what was measured is kept"
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

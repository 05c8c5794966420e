"""How a model that gives vectors of texts reads with a longer table: it has no loss to measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from phasor._extend.documents import Documents
from phasor._extend.events import Watch
from phasor._extend.plan import Task
from phasor._extend.store import Measurement, Store
from phasor._extend.subject import Candidate
from phasor._extend.table import TableSubject
from phasor._extend.verdict import Verdict
from phasor._kit.statistics import Estimate, mean_interval
from phasor._kit.watching import begin
from phasor.errors import ArgumentError

_KIND = "embedding"


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Cosines between vectors of texts: means of the last layer over all tokens.

    Args:
        texts: How many were read.
        inside: Of a text of the trained length, before and after.
        whole: Of a text of the target length, read whole after, and the mean over its windows of
            the trained length before.
        cut: Of the first of those windows alone and that mean: what is had without a longer table.
        apart: Of a text of the trained length and the next one, before: what a cosine is worth
            here. `None` if there is one text.
    """

    texts: int
    inside: Estimate
    whole: Estimate
    cut: Estimate
    apart: Estimate | None


def gather_embeddings(
    subject: TableSubject,
    found: Sequence[Candidate],
    documents: Documents,
    store: Store,
    watch: Watch,
    *,
    budget: float | None,
) -> bool:
    """Read each document before and after, and keep the cosines.

    Args:
        subject: The model.
        found: The candidates, with `"none"` first; nothing is measured of it alone.
        documents: To read.
        store: Where what was found goes.
        watch: Told of each.
        budget: Seconds; no document is begun after them.

    Returns:
        Whether all was measured.
    """
    known = {measurement.key for measurement in store.measurements}
    start, target = monotonic(), subject.target_length
    for candidate in found[1:]:
        for at in range(len(documents.measured)):
            task = Task(kind=_KIND, candidate=candidate.name, document=at, length=target)
            if task.key in known:
                continue
            if budget is not None and monotonic() - start > budget:
                return False
            advance = begin(watch, task, 2 * target)
            begun = monotonic()
            values = _cosines(subject, candidate, found[0], documents.measured, at)
            advance(2 * target)
            measurement = task.measured(values, monotonic() - begun)
            store.add(measurement)
            watch(measurement)
    return True


def judge_embeddings(measurements: Sequence[Measurement]) -> Embeddings | None:
    """Means over the documents; `None` where none was read."""
    rows = [m.values for m in measurements if m.kind == _KIND]
    if not rows:
        return None
    columns = [mean_interval(column) for column in zip(*rows, strict=True)]
    return Embeddings(
        texts=len(rows), inside=columns[0], whole=columns[1], cut=columns[2],
        apart=columns[3] if len(columns) > 3 else None,
    )  # fmt: skip


def embeddings_verdict(
    embeddings: Embeddings | None, found: Sequence[Candidate], trained: int, target: int
) -> Verdict:
    """Nothing is judged: what reads to the target at all is what is written."""
    longer = next((one.name for one in found if one.name != "none"), None)
    if longer is None:
        words = f"The model as it is ends at {trained:,} tokens; leave methods= as it is."
    else:
        words = _sentence(embeddings, longer, trained, target)
    return Verdict(edges=(), reference=(), findings=(), best=None, sentence=words, written=longer)


def _sentence(embeddings: Embeddings | None, longer: str, trained: int, target: int) -> str:
    head = (
        f"With {longer} the model reads to {target:,} tokens, where it ended at {trained:,}. "
        "Loss was not measured, because it has no language-model head"
    )
    if embeddings is None:
        return f"{head}, and nothing else within the budget."
    apart = f" (different texts: {embeddings.apart.mean:.3f})" if embeddings.apart else ""
    texts = f"{embeddings.texts} texts" if embeddings.texts > 1 else "1 text"
    return (
        f"{head}; the vectors of {texts} of {trained:,} tokens have a cosine of "
        f"{embeddings.inside.mean:.3f} to those of before{apart}, and those of {target:,} tokens "
        f"one of {embeddings.whole.mean:.3f} to the mean over windows of {trained:,}, which the "
        f"first window alone has at {embeddings.cut.mean:.3f}."
    )


@torch.no_grad()
def _cosines(
    subject: TableSubject,
    candidate: Candidate,
    none: Candidate,
    texts: Sequence[Tensor],
    at: int,
) -> tuple[float, ...]:
    trained, target = subject.trained_length, subject.target_length
    before, after = _ends(subject.tokenizer)
    room = trained - len(before) - len(after)
    text = texts[at][: target - len(before) - len(after)]
    with subject.running(none, trained) as model:
        windows = [_vector(model, before, part, after) for part in text.split(room)]
        weights = torch.tensor([float(len(part)) for part in text.split(room)])
        next_one = _vector(model, before, texts[(at + 1) % len(texts)][:room], after)
    mean = (torch.stack(windows) * weights[:, None]).sum(0) / weights.sum()
    with subject.running(candidate, target) as model:
        inside = _vector(model, before, text[:room], after)
        whole = _vector(model, before, text, after)
    pairs = [(windows[0], inside), (mean, whole), (mean, windows[0])]
    if len(texts) > 1:
        pairs.append((windows[0], next_one))
    return tuple(cosine_similarity(a, b, dim=0).item() for a, b in pairs)


def _vector(model: Any, before: list[int], text: Tensor, after: list[int]) -> Tensor:
    tokens = torch.tensor([*before, *text.tolist(), *after], device=model.device)
    return model(input_ids=tokens[None]).last_hidden_state[0].mean(0).double().cpu()


def _ends(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Tokens that are put before and after every text."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    whole = tokenizer.encode("a", add_special_tokens=True)
    start = next((at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), None)
    if start is None:
        raise ArgumentError(
            f"the tokenizer reads 'a' as {bare} within a text and {whole} as one: what it puts "
            "around texts cannot be told; such models cannot be extended so far"
        )
    return whole[:start], whole[start + len(bare) :]

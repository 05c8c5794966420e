"""The search: what it minimises, what it reads, what it leaves, and that it can be gone on with."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from searched_model import TARGET, TRAINED, VOCABULARY, write_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from phasor._extend import search as module
from phasor._extend.documents import Documents
from phasor._extend.options import Options
from phasor._extend.plan import Task
from phasor._extend.run import extend
from phasor._extend.run import run as extend_with
from phasor._extend.search import Searched, search
from phasor._extend.source import Subject, load
from phasor._extend.space import spaces
from phasor._extend.write import write_checkpoint
from phasor._kit.watching import Advanced, Begun
from phasor.errors import ArgumentError

TRIALS = 10


class Watcher:
    """Counts what is read; ends the search, as a kill would, once `last` tokens were."""

    def __init__(self, last: float = math.inf) -> None:
        self.last = last
        self.tasks: list[Task] = []
        self._read: list[int] = []

    @property
    def tokens(self) -> int:
        return sum(self._read)

    def __call__(self, event: object) -> None:
        if isinstance(event, Begun):
            self.tasks.append(event.what)
            self._read.append(0)
        elif isinstance(event, Advanced):
            self._read[-1] = event.done
            if self.tokens >= self.last:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def subject(path: Path) -> Subject:
    return load(path, target_length=TARGET)


@pytest.fixture(scope="module")
def documents(subject: Subject) -> Documents:
    """Random tokens to search on; what is for measuring cannot be read."""
    draw = torch.Generator().manual_seed(3)
    return Documents(
        source="a test",
        sha256="0",
        # Reading any of it would fail: there is no such token.
        measured=(torch.full((TARGET + 1,), VOCABULARY),),
        search=tuple(torch.randint(VOCABULARY, (TARGET + 1,), generator=draw) for _ in range(3)),
    )


def run(
    subject: Subject,
    documents: Documents,
    folder: Path,
    watcher: Watcher | None = None,
    *,
    resume: bool = False,
    budget: float | None = None,
    trials: int = TRIALS,
) -> tuple[list[Searched], bool]:
    return search(
        subject, documents, folder, {"path": "tiny"}, watcher or Watcher(), budget=budget,
        resume=resume, trials=trials,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(
    subject: Subject, documents: Documents, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Searched], Watcher]:
    watcher = Watcher()
    found, complete = run(subject, documents, tmp_path_factory.mktemp("whole"), watcher)
    assert complete
    return found, watcher


def test_loss_is_that_of_stock_transformers(
    subject: Subject, documents: Documents, whole: tuple[list[Searched], Watcher]
) -> None:
    for found in whole[0]:
        config = subject.model.config.to_dict()
        config["rope_parameters"] = dict(found.candidate.rope_parameters)
        config["max_position_embeddings"] = TARGET
        stock = LlamaForCausalLM(LlamaConfig.from_dict(config)).eval()
        stock.load_state_dict(subject.model.state_dict())
        batch = torch.stack(documents.search)
        with torch.no_grad():
            logits = stock(batch[:, :-1]).logits.double()
        loss = cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).item()
        assert found.loss == pytest.approx(loss, abs=1e-5)


def test_the_least_of_all_trials_is_found(whole: tuple[list[Searched], Watcher]) -> None:
    found, watcher = whole
    assert [one.candidate.name for one in found] == ["yarn-searched", "ntk-searched", "longrope"]
    assert all(one.loss <= (one.start_loss or 0) and one.trials == TRIALS for one in found)
    assert any(one.loss < (one.start_loss or 0) - 1e-3 for one in found)
    # Stopped early: fewer tokens than all trials over all documents.
    pruned = sum(one.pruned for one in found)
    most = 3 * TRIALS * 3 * TARGET
    assert pruned > 0
    assert most - pruned * 2 * TARGET <= watcher.tokens <= most - pruned * TARGET


def test_the_model_is_left_as_it_was(
    subject: Subject, path: Path, whole: tuple[list[Searched], Watcher]
) -> None:
    fresh = load(path, target_length=TARGET)
    assert whole
    (ours,), (theirs,) = subject.rotary, fresh.rotary
    assert torch.equal(ours.inv_freq, theirs.inv_freq)
    assert (ours.attention_scaling, ours.rope_type) == (1.0, "default")


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_killed_and_resumed_finds_the_same(
    subject: Subject,
    documents: Documents,
    whole: tuple[list[Searched], Watcher],
    tmp_path: Path,
    share: float,
) -> None:
    found, watcher = whole
    with pytest.raises(KeyboardInterrupt):
        run(subject, documents, tmp_path, Watcher(share * watcher.tokens))
    if share > 0.1:
        with pytest.raises(ArgumentError, match="add resume=True"):
            run(subject, documents, tmp_path)
    rest = Watcher()
    assert run(subject, documents, tmp_path, rest, resume=True) == (found, True)
    assert rest.tokens < (1.02 - share) * watcher.tokens + 3 * TARGET
    # And what has ended is not begun again.
    again = Watcher()
    assert run(subject, documents, tmp_path, again, resume=True) == (found, True)
    assert again.tokens == 0


def test_a_budget_ends_it_for_good(subject: Subject, documents: Documents, tmp_path: Path) -> None:
    assert run(subject, documents, tmp_path, budget=0.0) == ([], False)
    assert run(subject, documents, tmp_path, resume=True) == ([], False)


def test_another_search_is_not_gone_on_with(
    subject: Subject, documents: Documents, tmp_path: Path
) -> None:
    run(subject, documents, tmp_path, budget=0.0)
    with pytest.raises(ArgumentError, match=r"'trials': 10\} there and .*'trials': 11\} here"):
        run(subject, documents, tmp_path, resume=True, trials=11)


def test_text_for_it_must_be_left(subject: Subject, documents: Documents, tmp_path: Path) -> None:
    none = Documents("a test", "0", documents.measured, ())
    with pytest.raises(ArgumentError, match="beside the 1 to measure on"):
        run(subject, none, tmp_path)


def test_optuna_must_be_there(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ArgumentError, match=r"pip install 'torch-phasor\[extend\]'"):
        extend(path, to=TARGET, search=True)


@pytest.mark.parametrize("at", range(3))
def test_what_is_written_gives_the_logits_that_were_searched(
    subject: Subject, tmp_path: Path, at: int
) -> None:
    from phasor._extend.install import installed

    space = spaces(subject.situation)[at]
    candidate = space.candidate(
        {name: 0.3 * values.low + 0.7 * values.high for name, values in space.ranges.items()}
    )
    write_checkpoint(subject, candidate, tmp_path)
    stock = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    tokens = torch.randint(VOCABULARY, (1, TARGET), generator=torch.Generator().manual_seed(1))
    for length in (TRAINED, TARGET):
        frequencies = candidate.frequencies(subject.situation.frequencies, length)
        with torch.no_grad(), installed(subject.rotary, frequencies):
            wanted = subject.model(tokens[:, :length]).logits
        with torch.no_grad():
            plain = subject.model(tokens[:, :length]).logits
            found = stock(tokens[:, :length]).logits
        torch.testing.assert_close(found, wanted, rtol=0, atol=2e-4)
        if length == TARGET:
            assert (plain - wanted).abs().max() > 1e-2


@pytest.mark.usefixtures("untrained")
def test_whole_command(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIALS", 3)
    for number in range(4):
        words = " ".join(f"{place * (number + 3) % 97}" for place in range(160))
        (tmp_path / f"{number}.txt").write_text(words)
    seen = Watcher()
    options = Options(
        path, to=TARGET, methods=["yarn"], search=True, text=tmp_path, out=tmp_path / "longer",
        documents=2, passkeys=0,
    )  # fmt: skip
    result = extend_with(options, seen)
    names = ["none", "yarn", "yarn-searched", "ntk-searched", "longrope"]
    assert [finding.name for finding in result.verdict.findings] == names
    assert all(finding.documents == 2 for finding in result.verdict.findings)
    assert list(result.explanation.ratios) == names
    assert list(result.searched) == names[2:]
    assert result.complete
    kinds = [task.kind for task in seen.tasks]
    assert kinds[:9] == ["search"] * 9
    assert "search" not in kinds[9:]
    written = json.loads((tmp_path / "longer" / "extension.json").read_text())
    assert written["searched"]["longrope"]["trials"] == 3
    assert not (tmp_path / "longer.measuring").exists()

"""Formats of the tasks, token by token."""

import pytest
import torch

from phasor._compare.tasks import TASKS, build_task
from phasor._compare.tasks.copying import Copying, Counting
from phasor._compare.tasks.language import LanguageModelling
from phasor._kit.text import Text
from phasor.errors import ArgumentError

BOS, SEP, EOS, PAD = Copying.BOS, Copying.SEP, Copying.EOS, Copying.PAD


def whole(batch: object, row: int) -> list[int]:
    return [*batch.tokens[row].tolist(), batch.targets[row, -1].item()]


def test_copy_is_question_separator_answer_end() -> None:
    batch = Copying(train_length=5).training_batch(200, torch.Generator().manual_seed(0))
    lengths = set()
    for row in range(200):
        sequence = whole(batch, row)
        end = sequence.index(EOS)
        length = (end - 2) // 2
        question, answer = sequence[1 : 1 + length], sequence[2 + length : end]
        assert sequence[0] == BOS
        assert sequence[1 + length] == SEP
        assert question == answer
        assert all(token >= 4 for token in question)
        assert set(sequence[end + 1 :]) <= {PAD}
        scored = batch.targets[row][batch.scored[row]].tolist()
        assert scored == [*answer, EOS]
        lengths.add(length)
    assert lengths == {1, 2, 3, 4, 5}


def test_count_repeats_one_letter() -> None:
    batch = Counting(train_length=6).training_batch(100, torch.Generator().manual_seed(0))
    for row in range(100):
        letters = {token for token in whole(batch, row) if token >= 4}
        assert len(letters) == 1
    assert len(set(batch.tokens[:, 1].tolist())) > 15


@pytest.mark.parametrize("task", [Copying(train_length=5), Counting(train_length=5)])
def test_evaluation_has_one_length_and_is_always_the_same(task: Copying) -> None:
    batch = task.evaluation_batch(8)
    assert batch.tokens.shape == (256, task.num_positions(8))
    assert bool((batch.scored.sum(1) == 9).all())
    assert torch.equal(batch.tokens, task.evaluation_batch(8).tokens)
    assert not torch.equal(batch.tokens[:, 1], task.evaluation_batch(9).tokens[:, 1])


def test_text_has_a_bos_and_shifted_targets(text: Text) -> None:
    task = LanguageModelling(text, train_length=16, max_length=32)
    batch = task.training_batch(4, torch.Generator().manual_seed(0))
    assert bool((batch.tokens[:, 0] == LanguageModelling.BOS).all())
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    assert bool(batch.scored.all())
    assert batch.tokens.max() < task.vocab_size


def test_text_scores_the_same_bytes_at_every_length(text: Text) -> None:
    task = LanguageModelling(text, train_length=16, max_length=64)
    scored = {}
    for length in (16, 32, 64):
        batch = task.evaluation_batch(length)
        assert batch.tokens.shape[1] == length
        scored[length] = batch.targets[batch.scored].view(len(batch.tokens), -1)
        assert scored[length].shape[1] == 16
    assert torch.equal(scored[16], scored[32])
    assert torch.equal(scored[16], scored[64])


def test_unknown_task_with_a_suggestion() -> None:
    with pytest.raises(ArgumentError, match=r"no task 'cuont'\. Did you mean 'count'\?"):
        build_task("cuont", text=None, train_length=4, max_length=8)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_can_be_built_by_name(name: str, text: Text) -> None:
    task = build_task(name, text=text, train_length=8, max_length=16)
    batch = task.training_batch(3, torch.Generator())
    assert batch.tokens.shape == batch.targets.shape == batch.scored.shape
    assert batch.tokens.max() < task.vocab_size

"""Each answer, worked out anew in plain Python from the tokens of its question."""

import re
from collections.abc import Callable

import pytest
import torch

from phasor._compare.tasks import TASKS, build_task
from phasor._compare.tasks.base import EVALUATION_SEED, Batch
from phasor._compare.tasks.copying import Copying, Counting
from phasor.errors import ArgumentError

PAD, BOS, SEP, EOS, FIRST = range(5)
ASKING = [name for name in TASKS if name != "lm"]
LENGTH = 6


def task(name: str, train_length: int = LENGTH, max_length: int = 2 * LENGTH) -> object:
    return build_task(name, text=None, train_length=train_length, max_length=max_length)


def rows(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """The whole sequence of each row without padding, and the places in it that are scored."""
    found = []
    for tokens, targets, scored in zip(batch.tokens, batch.targets, batch.scored, strict=True):
        sequence = [*tokens.tolist(), targets[-1].item()]
        assert sequence[1:] == targets.tolist()
        end = next((at for at, token in enumerate(sequence) if token == PAD), len(sequence))
        assert set(sequence[end:]) <= {PAD}
        places = [at + 1 for at in scored.nonzero().flatten().tolist()]
        assert all(at < end for at in places)
        assert sequence[0] == BOS
        found.append((sequence[:end], places))
    return found


def ended(sequence: list[int], places: list[int]) -> tuple[list[int], list[int]]:
    """Question and answer of `BOS question SEP answer EOS`; answer and EOS are what is scored."""
    at = sequence.index(SEP)
    assert sequence[-1] == EOS
    assert places == list(range(at + 1, len(sequence)))
    question, answer = sequence[1:at], sequence[at + 1 : -1]
    assert min(question + answer) >= FIRST
    return question, answer


def copied(sequence: list[int], places: list[int]) -> int:
    question, answer = ended(sequence, places)
    assert answer == question
    return len(question)


def counted(sequence: list[int], places: list[int]) -> int:
    question, answer = ended(sequence, places)
    assert answer == [question[0]] * len(question) == question
    return len(question)


def reversed_(sequence: list[int], places: list[int]) -> int:
    question, answer = ended(sequence, places)
    assert answer == question[::-1]
    return len(question)


def in_order(sequence: list[int], places: list[int]) -> int:
    question, answer = ended(sequence, places)
    assert len(set(question)) == len(question)
    assert answer == sorted(question)
    return len(question)


def digits(tokens: list[int]) -> str:
    return "".join("0123456789+"[token - FIRST] for token in tokens)


def added(sequence: list[int], places: list[int], *, backwards: bool) -> int:
    question, answer = map(digits, ended(sequence, places))
    first, second = question.split("+")
    assert len(first) == len(second) == len(answer) - 1
    assert int(answer[::-1] if backwards else answer) == int(first) + int(second)
    return len(first)


def summed(sequence: list[int], places: list[int], *, modulus: int) -> int:
    *question, answer = sequence[1:]
    assert question.pop() == SEP
    assert places == [len(sequence) - 1]
    values = [token - FIRST for token in question]
    assert all(0 <= value < modulus for value in values)
    assert answer - FIRST == sum(values) % modulus
    return len(question)


def recalled(sequence: list[int], places: list[int]) -> int:
    at = sequence.index(SEP)
    pairs, asked = sequence[1:at], sequence[at + 1 :]
    value = dict(zip(pairs[::2], pairs[1::2], strict=True))
    assert len(value) == len(pairs) // 2 == len(asked) // 2
    assert not set(value) & set(value.values())
    assert asked[1::2] == [value[key] for key in asked[::2]]
    assert places[0] == at + 2
    assert places in ([at + 2], list(range(at + 2, len(sequence), 2)))
    return len(value)


def repeated(sequence: list[int], places: list[int]) -> int:
    half = len(sequence) // 2
    assert sequence[1 : 1 + half] == sequence[1 + half :]
    assert places == list(range(half + 2, len(sequence)))
    return 2 * half


def unlocked(sequence: list[int], places: list[int]) -> int:
    assert sequence[-1] == EOS
    assert places[-1] == len(sequence) - 1
    text = bytes(token - FIRST for token in sequence[1:-1]).decode()
    match = re.fullmatch(
        r"There is a pass key in this text\. Find it and remember it\."
        r"(.*) The pass key is (\d+)\. Remember it\. (\d+) is the pass key\."
        r"(.*) What is the pass key\? The pass key is( \d+)",
        text,
    )
    assert match
    before, key, again, after, answer = match.groups()
    assert key == again == answer.strip()
    assert 1 <= int(key) <= 50_000
    assert places == list(range(len(sequence) - 1 - len(answer), len(sequence)))
    cycle = (
        " The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
    )
    filler = before + after
    assert (cycle * 10).startswith(filler)
    return filler.count(".")


ORACLES: dict[str, Callable[[list[int], list[int]], int]] = {
    "copy": copied,
    "count": counted,
    "reverse": reversed_,
    "sort": in_order,
    "addition": lambda *row: added(*row, backwards=True),
    "addition_plain": lambda *row: added(*row, backwards=False),
    "parity": lambda *row: summed(*row, modulus=2),
    "sum": lambda *row: summed(*row, modulus=10),
    "recall": recalled,
    "induction": repeated,
    "passkey": unlocked,
}


@pytest.mark.parametrize("name", ASKING)
def test_training_asks_every_length_and_answers_rightly(name: str) -> None:
    batch = task(name).training_batch(300, torch.Generator().manual_seed(3))
    lengths = [ORACLES[name](*row) for row in rows(batch)]
    assert set(lengths) == ({4, 6} if name == "induction" else {1, 2, 3, 4, 5, 6})
    assert batch.tokens.shape[1] == task(name).num_positions(LENGTH)
    assert batch.tokens.max() < task(name).vocab_size


@pytest.mark.parametrize("name", ASKING)
def test_evaluation_has_one_length_and_is_always_the_same(name: str) -> None:
    for length in (LENGTH, 2 * LENGTH):
        batch = task(name).evaluation_batch(length)
        assert batch.tokens.shape == (task(name).num_sequences, task(name).num_positions(length))
        assert {ORACLES[name](*row) for row in rows(batch)} == {length}
        again = task(name).evaluation_batch(length)
        assert torch.equal(batch.tokens, again.tokens)
        assert torch.equal(batch.scored, again.scored)


@pytest.mark.parametrize("name", ASKING)
def test_the_generator_decides_the_training_batches(name: str) -> None:
    first, again, other = (
        task(name).training_batch(8, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first.tokens, again.tokens)
    assert not torch.equal(first.tokens, other.tokens)


@pytest.mark.parametrize(("kind", "different"), [(Copying, 7), (Counting, 1)])
def test_draws_of_copy_and_count_are_those_of_the_first_release(
    kind: type[Copying], different: int
) -> None:
    """Lengths first, then letters: published numbers rest on it."""
    generator = torch.Generator().manual_seed(11)
    lengths = torch.randint(1, 8, (20,), generator=generator).tolist()
    letters = torch.randint(4, 30, (20, different), generator=generator).tolist()
    batch = kind(train_length=7).training_batch(20, torch.Generator().manual_seed(11))
    for (sequence, _), length, drawn in zip(rows(batch), lengths, letters, strict=True):
        string = (drawn * 7)[:length] if different == 1 else drawn[:length]
        assert sequence == [BOS, *string, SEP, *string, EOS]
    generator.manual_seed(EVALUATION_SEED + 9)
    drawn = torch.randint(4, 30, (256, 9 if different == 7 else 1), generator=generator)
    assert torch.equal(
        kind(train_length=7).evaluation_batch(9).tokens[:, 1:10], drawn.expand(-1, 9)
    )


def test_additions_of_any_size_are_exact() -> None:
    for name in ("addition", "addition_plain"):
        batch = task(name, 40, 80).evaluation_batch(80)
        assert {ORACLES[name](*row) for row in rows(batch)} == {80}


def test_there_are_symbols_enough_for_the_longest_question() -> None:
    for name in ("sort", "recall"):
        large = task(name, 8, 100)
        assert {ORACLES[name](*row) for row in rows(large.evaluation_batch(100))} == {100}
        assert task(name, 8, 16).vocab_size == task(name, 8, 32).vocab_size < large.vocab_size


def test_answers_of_the_controls_are_spread_evenly() -> None:
    for name, modulus in (("parity", 2), ("sum", 10)):
        batch = task(name, 20, 40).training_batch(5000, torch.Generator().manual_seed(0))
        share = batch.targets[batch.scored].bincount()[FIRST:] / 5000
        assert len(share) == modulus
        assert (share - 1 / modulus).abs().max() < 0.02
        assert TASKS[name].chance == 1 / modulus


def test_the_pass_key_stands_anywhere() -> None:
    text = [
        bytes(token - FIRST for token in sequence[1:-1]).decode()
        for sequence, _ in rows(task("passkey").training_batch(300, torch.Generator()))
    ]
    depths = {len(re.findall(r"\.", each.split("The pass key is")[0])) - 2 for each in text}
    assert depths == set(range(LENGTH + 1))


def test_recall_asks_in_evaluation_once_what_training_asks_for_each_pair() -> None:
    assert bool((task("recall").evaluation_batch(8).scored.sum(1) == 1).all())
    batch = task("recall").training_batch(50, torch.Generator())
    assert {len(places) for _, places in rows(batch)} == {1, 2, 3, 4, 5, 6}


def test_a_sequence_too_short_to_begin_anew() -> None:
    with pytest.raises(ArgumentError, match=r"train_length must be at least 4 to go on with"):
        task("induction", 3)

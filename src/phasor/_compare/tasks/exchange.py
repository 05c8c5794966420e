"""Questions and answers as one sequence: what all tasks but language modelling share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import EVALUATION_SEED, Batch, Recipe
from phasor.errors import ArgumentError


@dataclass(frozen=True)
class Exchange:
    """Questions with their answers, a row each; past its length a row holds anything.

    Args:
        question: `[batch, longest question]`.
        question_lengths: `[batch]`.
        answer: `[batch, longest answer]`.
        answer_lengths: `[batch]`.
        scored: Which places of an answer count, `[longest answer]`; all of them if not given.
    """

    question: Tensor
    question_lengths: Tensor
    answer: Tensor
    answer_lengths: Tensor
    scored: Tensor | None = None


class QuestionAnswer(ABC):
    """`BOS question SEP answer EOS`, scored on the answer and EOS.

    Training draws lengths from `shortest` ... `train_length`; evaluation at a length has that
    length throughout.

    Args:
        train_length: Longest length in training.
        num_symbols: Tokens beside the four special ones; they are numbered from `FIRST`.

    Raises:
        ArgumentError: `train_length` is less than the shortest that the task has.
    """

    recipe: ClassVar[Recipe]
    summary: ClassVar[str]
    length_unit: ClassVar[str]
    unit: ClassVar[str] = "answer token"
    has_one_answer: ClassVar[bool] = True
    has_running_text: ClassVar[bool] = False
    chance: ClassVar[float] = 0.0
    num_sequences: ClassVar[int] = 256
    PAD, BOS, SEP, EOS, FIRST = range(5)

    shortest: ClassVar[int] = 1
    separated: ClassVar[bool] = True
    """Whether SEP stands before the answer."""
    ended: ClassVar[bool] = True
    """Whether EOS, which counts, stands after it."""

    def __init__(self, *, train_length: int, num_symbols: int) -> None:
        if train_length < self.shortest:
            raise ArgumentError(
                f"train_length must be at least {self.shortest} to {self.summary}, got "
                f"{train_length}"
            )
        self.vocab_size = self.FIRST + num_symbols
        self.train_length = train_length

    @abstractmethod
    def num_positions(self, length: int) -> int:
        """Tokens that the model reads of the longest sequence of `length`."""

    @abstractmethod
    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        """Questions of `lengths`, none of which is above `longest`, with their answers."""

    def training_batch(self, batch_size: int, generator: torch.Generator) -> Batch:
        lengths = torch.randint(
            self.shortest, self.train_length + 1, (batch_size,), generator=generator
        )
        return self._batch(lengths, self.train_length, generator)

    def evaluation_batch(self, length: int) -> Batch:
        generator = torch.Generator().manual_seed(EVALUATION_SEED + length)
        return self._batch(torch.full((self.num_sequences,), length), length, generator)

    def _batch(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Batch:
        exchange = self.draw(lengths, longest, generator)
        # What is read, and the target of the last token.
        place = torch.arange(self.num_positions(longest) + 1)[None]
        start = exchange.question_lengths[:, None] + 1 + self.separated
        end = start + exchange.answer_lengths[:, None]
        sequence = torch.where(
            place < start, take(exchange.question, place - 1), take(exchange.answer, place - start)
        )
        scored = (place >= start) & (place < end)
        if exchange.scored is not None:
            scored &= take(exchange.scored[None].expand_as(exchange.answer), place - start)
        sequence[:, 0] = self.BOS
        if self.separated:
            sequence.scatter_(1, start - 1, self.SEP)
        if self.ended:
            sequence.scatter_(1, end, self.EOS)
            scored |= place == end
        sequence[place >= end + self.ended] = self.PAD
        return Batch(sequence[:, :-1], sequence[:, 1:], scored[:, 1:])


def take(rows: Tensor, place: Tensor) -> Tensor:
    """The tokens of `rows` `[batch, width]` at `place`; a place outside takes the nearest."""
    place = place.expand(len(rows), -1).clamp(0, rows.shape[1] - 1)
    return rows.gather(1, place)

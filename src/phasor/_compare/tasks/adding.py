"""Add two numbers, digit by digit."""

from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import Recipe
from phasor._compare.tasks.exchange import Exchange, QuestionAnswer, take


class Adding(QuestionAnswer):
    """`BOS a + b SEP c EOS`: a and b of n digits, their sum of n + 1, its last digit first.

    All three are filled with zeros on the left. In the order in which they are written, each digit
    of the answer needs two digits of the question and one carry.

    Args:
        train_length: Digits of the longest operands in training.

    Source:
        Lee et al. 2023, arXiv:2307.03381, for the reversed answer; Zhou et al. 2024,
        arXiv:2402.09371, for padding with zeros.
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=3, eval_factors=(1, 4 / 3, 5 / 3, 2), steps=3000, batch_size=64
    )
    summary: ClassVar[str] = "add two numbers, last digit first"
    length_unit: ClassVar[str] = "digits"
    reverses: ClassVar[bool] = True

    def __init__(self, *, train_length: int) -> None:
        super().__init__(train_length=train_length, num_symbols=11)
        self.plus = self.FIRST + 10

    def num_positions(self, length: int) -> int:
        return 3 * length + 4

    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        # Least digit first, so that the carry runs along the row; zero past the length.
        operands = torch.randint(0, 10, (2, len(lengths), longest), generator=generator)
        operands *= torch.arange(longest) < lengths[:, None]
        total = _sum(*operands)
        place = torch.arange(2 * longest + 1)
        first, second = (_first_digit_last(each, lengths) for each in operands)
        middle = lengths[:, None]
        question = self.FIRST + torch.where(
            place < middle, take(first, place[None]), take(second, place - middle - 1)
        )
        question[place == middle] = self.plus
        answer = total if self.reverses else _first_digit_last(total, lengths + 1)
        return Exchange(question, 2 * lengths + 1, self.FIRST + answer, lengths + 1)


class PlainAdding(Adding):
    """`BOS a + b SEP c EOS` with the sum as people write it: its first digit needs every carry."""

    summary: ClassVar[str] = "add two numbers, first digit first"
    reverses: ClassVar[bool] = False


def _sum(first: Tensor, second: Tensor) -> Tensor:
    """Digits of the sum, `[batch, longest + 1]`; least digit first throughout."""
    carry = torch.zeros_like(first[:, 0])
    digits = []
    for column in (first + second).unbind(dim=1):
        digits.append((column + carry) % 10)
        carry = (column + carry) // 10
    return torch.stack([*digits, carry], dim=1)


def _first_digit_last(rows: Tensor, lengths: Tensor) -> Tensor:
    """The first `lengths` digits of each row in the opposite order."""
    return take(rows, lengths[:, None] - 1 - torch.arange(rows.shape[1]))

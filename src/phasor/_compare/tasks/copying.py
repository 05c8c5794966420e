"""Repeat a string of letters: the sharpest known answer in a minute of training."""

from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import Recipe
from phasor._compare.tasks.exchange import Exchange, QuestionAnswer, take

_LETTERS = 26


class Copying(QuestionAnswer):
    """`BOS x1 ... xn SEP x1 ... xn EOS`, letters drawn independently of 26.

    Args:
        train_length: Letters of the longest training string.

    Source:
        Kazemnejad et al. 2023, arXiv:2305.19466, appendix on tasks: "copy".
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=10, eval_factors=(1, 1.1, 1.2, 1.5, 2), steps=1200, batch_size=32
    )
    summary: ClassVar[str] = "repeat a string"
    length_unit: ClassVar[str] = "letters"

    def __init__(self, *, train_length: int) -> None:
        super().__init__(train_length=train_length, num_symbols=_LETTERS)

    def num_positions(self, length: int) -> int:
        return 2 * length + 2

    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        string = self._letters(len(lengths), longest, generator)
        return Exchange(string, lengths, self._answer(string, lengths), lengths)

    def _letters(self, count: int, longest: int, generator: torch.Generator) -> Tensor:
        return torch.randint(self.FIRST, self.vocab_size, (count, longest), generator=generator)

    def _answer(self, string: Tensor, lengths: Tensor) -> Tensor:
        return string


class Counting(Copying):
    """Copy one letter as often as it was read: `BOS x^n SEP x^n EOS`.

    Source:
        Kazemnejad et al. 2023, arXiv:2305.19466, the simplest variant of "copy".
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=10, eval_factors=(1, 1.1, 1.3, 1.5, 2), steps=800, batch_size=32
    )
    summary: ClassVar[str] = "repeat one letter as often as read"

    def _letters(self, count: int, longest: int, generator: torch.Generator) -> Tensor:
        return super()._letters(count, 1, generator).expand(-1, longest)


class Reversing(Copying):
    """Write a string backwards: `BOS x1 ... xn SEP xn ... x1 EOS`.

    Source:
        Kazemnejad et al. 2023, arXiv:2305.19466, appendix on tasks: "reverse".
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=10, eval_factors=(1, 1.1, 1.2, 1.5, 2), steps=2000, batch_size=32
    )
    summary: ClassVar[str] = "write a string backwards"

    def _answer(self, string: Tensor, lengths: Tensor) -> Tensor:
        return take(string, lengths[:, None] - 1 - torch.arange(string.shape[1]))

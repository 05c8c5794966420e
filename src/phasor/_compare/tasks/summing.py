"""The sum of all digits, modulo a number: controls that hardly any encoding carries further."""

from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import Recipe
from phasor._compare.tasks.exchange import Exchange, QuestionAnswer


class ModularSum(QuestionAnswer):
    """`BOS x1 ... xn SEP y` with y the sum of the digits modulo 10, which alone is scored.

    Each digit changes the answer, so that nothing short of all of them beats a guess.

    Args:
        train_length: Digits of the longest training question.

    Source:
        Kazemnejad et al. 2023, arXiv:2305.19466, appendix on tasks: "summation".
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=20, eval_factors=(1, 1.1, 1.2, 1.5, 2), steps=1000, batch_size=32
    )
    summary: ClassVar[str] = "add digits modulo 10: a control"
    length_unit: ClassVar[str] = "digits"
    chance: ClassVar[float] = 0.1
    ended: ClassVar[bool] = False
    modulus: ClassVar[int] = 10

    def __init__(self, *, train_length: int) -> None:
        super().__init__(train_length=train_length, num_symbols=self.modulus)

    def num_positions(self, length: int) -> int:
        return length + 2

    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        digits = torch.randint(0, self.modulus, (len(lengths), longest), generator=generator)
        sums = digits.cumsum(dim=1).gather(1, lengths[:, None] - 1) % self.modulus
        return Exchange(digits + self.FIRST, lengths, sums + self.FIRST, torch.ones_like(lengths))


class Parity(ModularSum):
    """`BOS x1 ... xn SEP y` with y the parity of the bits, which alone is scored.

    Source:
        Kazemnejad et al. 2023, arXiv:2305.19466, appendix on tasks: "parity".
    """

    summary: ClassVar[str] = "tell the parity of bits: a control"
    length_unit: ClassVar[str] = "bits"
    chance: ClassVar[float] = 0.5
    modulus: ClassVar[int] = 2

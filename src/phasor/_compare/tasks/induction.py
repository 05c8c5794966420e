"""Go on with a random sequence that begins anew: the work of an induction head."""

from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import Recipe
from phasor._compare.tasks.exchange import Exchange, QuestionAnswer

_SYMBOLS = 64


class Induction(QuestionAnswer):
    """`BOS x1 ... xm x1 ... xm` with m half the length, symbols drawn independently of 64.

    Scored on the second half but its first symbol, which nothing announces. Guessing costs
    ln 64 = 4.16 nats.

    Args:
        train_length: Symbols of the longest training sequence, both halves together.

    Source:
        Olsson et al. 2022, arXiv:2209.11895: repeated random tokens.
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=32, eval_factors=(1, 2, 4), steps=1000, batch_size=32
    )
    summary: ClassVar[str] = "go on with a string that repeats"
    length_unit: ClassVar[str] = "symbols"
    unit: ClassVar[str] = "token of the second half"
    has_one_answer: ClassVar[bool] = False
    shortest: ClassVar[int] = 4
    separated: ClassVar[bool] = False
    ended: ClassVar[bool] = False

    def __init__(self, *, train_length: int) -> None:
        super().__init__(train_length=train_length, num_symbols=_SYMBOLS)

    def num_positions(self, length: int) -> int:
        return length // 2 * 2

    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        half = longest // 2
        symbols = torch.randint(
            self.FIRST, self.vocab_size, (len(lengths), half), generator=generator
        )
        halves = lengths // 2
        return Exchange(symbols, halves, symbols, halves, scored=torch.arange(half) > 0)

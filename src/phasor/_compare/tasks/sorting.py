"""Put symbols in order: a control that turns on content, not on position."""

from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import Recipe
from phasor._compare.tasks.exchange import Exchange, QuestionAnswer

_AT_LEAST = 32


class Sorting(QuestionAnswer):
    """`BOS x1 ... xn SEP`, then the same symbols in ascending order, and EOS; all are distinct.

    The next symbol of the answer is the least one above the last: where a symbol stood does not
    matter. It separates encodings that disturb the reading of content from those that do not.

    Args:
        train_length: Symbols of the longest training question.
        max_length: The longest question that will be evaluated. There are as many symbols as it
            needs, and 32 at least.
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=10, eval_factors=(1, 1.1, 1.2, 1.5, 2), steps=1000, batch_size=32
    )
    summary: ClassVar[str] = "sort distinct symbols: a control"
    length_unit: ClassVar[str] = "symbols"

    def __init__(self, *, train_length: int, max_length: int) -> None:
        self._num_symbols = max(_AT_LEAST, train_length, max_length)
        super().__init__(train_length=train_length, num_symbols=self._num_symbols)

    def num_positions(self, length: int) -> int:
        return 2 * length + 2

    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        symbols = distinct(len(lengths), self._num_symbols, generator)[:, :longest] + self.FIRST
        padding = torch.arange(longest) >= lengths[:, None]
        answer = symbols.masked_fill(padding, self.vocab_size).sort(dim=1).values
        return Exchange(symbols, lengths, answer, lengths)


def distinct(count: int, num_symbols: int, generator: torch.Generator) -> Tensor:
    """`[count, num_symbols]`: in each row the numbers below `num_symbols`, in random order."""
    return torch.rand(count, num_symbols, generator=generator, dtype=torch.float64).argsort(dim=1)

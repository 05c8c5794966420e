"""Look up the value of a key that was read before: associative recall."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import Batch, Recipe
from phasor._compare.tasks.exchange import Exchange, QuestionAnswer
from phasor._compare.tasks.sorting import distinct

_AT_LEAST = 32


class Recall(QuestionAnswer):
    """`BOS k1 v1 ... kn vn SEP q1 a1 ... qn an`: each query is a key, its answer that key's value.

    Keys are distinct; values and queries are drawn independently, with repetition, so that nothing
    can be inferred from what was not asked yet. Training scores each answer. Evaluation scores the
    first of a sequence: exact match is then the share of queries that are answered right.

    The recipe does not suffice to learn it at the lab's default size, where a model gets little
    further than to name one of the values that it read. It takes more steps and width.

    Args:
        train_length: Pairs of the longest training sequence.
        max_length: The most pairs that will be evaluated. There are as many keys as it needs, and
            32 at least; and 32 values.

    Source:
        Arora et al. 2023, arXiv:2312.04927: multi-query associative recall.
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=8, eval_factors=(1, 1.25, 1.5, 2), steps=2000, batch_size=32
    )
    summary: ClassVar[str] = "look up the values of keys"
    length_unit: ClassVar[str] = "pairs"
    num_sequences: ClassVar[int] = 512
    ended: ClassVar[bool] = False

    def __init__(self, *, train_length: int, max_length: int) -> None:
        self._num_keys = max(_AT_LEAST, train_length, max_length)
        super().__init__(train_length=train_length, num_symbols=self._num_keys + _AT_LEAST)

    def num_positions(self, length: int) -> int:
        return 4 * length + 1

    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        shape = (len(lengths), longest)
        keys = distinct(len(lengths), self._num_keys, generator)[:, :longest] + self.FIRST
        values = torch.randint(
            self.FIRST + self._num_keys, self.vocab_size, shape, generator=generator
        )
        share = torch.rand(shape, generator=generator, dtype=torch.float64)
        asked = (share * lengths[:, None]).long()
        return Exchange(
            _in_turn(keys, values),
            2 * lengths,
            _in_turn(keys.gather(1, asked), values.gather(1, asked)),
            2 * lengths,
            scored=torch.arange(2 * longest) % 2 == 1,
        )

    def evaluation_batch(self, length: int) -> Batch:
        batch = super().evaluation_batch(length)
        return replace(batch, scored=batch.scored & (batch.scored.cumsum(dim=1) == 1))


def _in_turn(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack((first, second), dim=-1).flatten(1)

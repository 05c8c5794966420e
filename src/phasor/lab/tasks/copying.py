"""Repeat a string of letters: the sharpest known answer in a minute of training."""

from typing import ClassVar

import torch
from torch import Tensor

from phasor.lab.tasks.base import EVALUATION_SEED, Batch, Recipe


class Copying:
    """`BOS x1 ... xn SEP x1 ... xn EOS`, scored on the answer and EOS.

    Training draws n from 1 ... `train_length`; evaluation at a length has that n throughout.

    Args:
        train_length: Letters of the longest training string.
        one_letter: Repeat one letter n times, which makes the task to count.

    Source:
        Kazemnejad et al. 2023, arXiv:2305.19466, appendix on tasks: "copy" and its simplest
        variant, repeating a single token.
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=10, eval_factors=(1, 1.1, 1.2, 1.5, 2), steps=1200, batch_size=32
    )
    unit: ClassVar[str] = "answer token"
    has_one_answer: ClassVar[bool] = True
    num_sequences: ClassVar[int] = 256
    letters: ClassVar[int] = 26
    PAD, BOS, SEP, EOS = range(4)

    def __init__(self, *, train_length: int, one_letter: bool = False) -> None:
        self.vocab_size = 4 + self.letters
        self.train_length = train_length
        self.one_letter = one_letter

    def num_positions(self, length: int) -> int:
        return 2 * length + 2

    def training_batch(self, batch_size: int, generator: torch.Generator) -> Batch:
        lengths = torch.randint(1, self.train_length + 1, (batch_size,), generator=generator)
        return self._batch(lengths, self.train_length, generator)

    def evaluation_batch(self, length: int) -> Batch:
        generator = torch.Generator().manual_seed(EVALUATION_SEED + length)
        return self._batch(torch.full((self.num_sequences,), length), length, generator)

    def _batch(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Batch:
        different = 1 if self.one_letter else longest
        string = torch.randint(4, self.vocab_size, (len(lengths), different), generator=generator)
        string = string.expand(-1, longest)
        length = lengths[:, None]
        place = torch.arange(2 * longest + 3)[None]
        # Where each place of the whole sequence falls: question, SEP, answer, EOS or padding.
        answer = (place > length + 1) & (place < 2 * length + 2)
        letter = torch.where(answer, place - length - 2, place - 1).clamp(0, longest - 1)
        sequence = string.gather(1, letter)
        sequence[(place > 2 * length + 2).expand_as(sequence)] = self.PAD
        sequence[:, 0] = self.BOS
        sequence.scatter_(1, length + 1, self.SEP)
        sequence.scatter_(1, 2 * length + 2, self.EOS)
        scored = answer | (place == 2 * length + 2)
        return Batch(sequence[:, :-1], sequence[:, 1:], scored[:, 1:])


class Counting(Copying):
    """Copy one letter as often as it was read: `BOS x^n SEP x^n EOS`."""

    recipe: ClassVar[Recipe] = Recipe(
        train_length=10, eval_factors=(1, 1.1, 1.3, 1.5, 2), steps=800, batch_size=32
    )

    def __init__(self, *, train_length: int) -> None:
        super().__init__(train_length=train_length, one_letter=True)

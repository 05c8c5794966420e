"""Next byte of real text."""

from typing import ClassVar

import torch
from torch import Tensor

from phasor._compare.tasks.base import EVALUATION_SEED, Batch, Recipe
from phasor._kit.text import Text, Windows


class LanguageModelling:
    """Predict each byte of real text from those before it.

    A sequence is a BOS token and bytes of one document. At every evaluated length the scored bytes
    are the same, the last `train_length` of each window: what grows is the text before them. A
    loss over whole windows would fall with the length merely because fewer bytes stand near the
    start.

    Args:
        text: Training and held-out documents.
        train_length: Tokens of a training sequence.
        max_length: The longest length that will be evaluated.

    Raises:
        ArgumentError: No document is long enough.
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=64, eval_factors=(1, 2, 4, 8), steps=600, batch_size=16
    )
    summary: ClassVar[str] = "predict the next byte of text"
    length_unit: ClassVar[str] = "bytes"
    unit: ClassVar[str] = "byte"
    has_one_answer: ClassVar[bool] = False
    has_running_text: ClassVar[bool] = True
    chance: ClassVar[float] = 0.0
    num_sequences: ClassVar[int] = 256
    BOS: ClassVar[int] = 256

    def __init__(self, text: Text, *, train_length: int, max_length: int) -> None:
        self.vocab_size = 257
        self.train_length = train_length
        self._training = Windows(text.train, train_length, what="text to train on")
        generator = torch.Generator().manual_seed(EVALUATION_SEED)
        self._held_out = Windows(text.held_out, max_length, what="held-out text").draw(
            self.num_sequences, generator
        )

    def num_positions(self, length: int) -> int:
        return length

    def training_batch(self, batch_size: int, generator: torch.Generator) -> Batch:
        return self._batch(self._training.draw(batch_size, generator))

    def evaluation_batch(self, length: int) -> Batch:
        batch = self._batch(self._held_out[:, -length:])
        batch.scored[:, : length - self.train_length] = False
        return batch

    def _batch(self, window: Tensor) -> Batch:
        bos = torch.full_like(window[:, :1], self.BOS)
        tokens = torch.cat((bos, window[:, :-1]), dim=1)
        return Batch(tokens, window, torch.ones_like(window, dtype=torch.bool))

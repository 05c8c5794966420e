"""Find a number in a text that says nothing else."""

from itertools import cycle, islice
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from phasor._compare.tasks.base import Recipe
from phasor._compare.tasks.exchange import Exchange, QuestionAnswer

_TASK = "There is a pass key in this text. Find it and remember it."
_FILLER = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)
_KEY = "The pass key is {key}. Remember it. {key} is the pass key."
_QUESTION = "What is the pass key? The pass key is"
_LARGEST_KEY = 50_000


class Passkey(QuestionAnswer):
    """BOS, a text in bytes that hides a number among n sentences, a question, the number, EOS.

    The number is between 1 and 50 000, and stands before, between or after the sentences, each
    place equally likely. Byte b is token 4 + b.

    Args:
        train_length: Sentences of filler of the longest training text.

    Source:
        Mohtashami and Jaggi 2023, arXiv:2305.16300, for the test and its filler; the line that
        tells the task is shorter here.
    """

    recipe: ClassVar[Recipe] = Recipe(
        train_length=3, eval_factors=(1, 2, 4), steps=1500, batch_size=16
    )
    summary: ClassVar[str] = "find a number hidden in a text"
    length_unit: ClassVar[str] = "sentences"
    num_sequences: ClassVar[int] = 128
    separated: ClassVar[bool] = False

    def __init__(self, *, train_length: int) -> None:
        super().__init__(train_length=train_length, num_symbols=256)

    def num_positions(self, length: int) -> int:
        # BOS, the text with the longest key, a space, and the key once more.
        return 1 + len(_text(length, 0, _LARGEST_KEY)) + len(_answer(_LARGEST_KEY))

    def draw(self, lengths: Tensor, longest: int, generator: torch.Generator) -> Exchange:
        share = torch.rand(len(lengths), generator=generator, dtype=torch.float64)
        depths = (share * (lengths + 1)).long().tolist()
        keys = torch.randint(1, _LARGEST_KEY + 1, (len(lengths),), generator=generator).tolist()
        texts = [_text(*each) for each in zip(lengths.tolist(), depths, keys, strict=True)]
        answers = [_answer(key) for key in keys]
        return Exchange(
            self._tokens(texts),
            torch.tensor([len(text) for text in texts]),
            self._tokens(answers),
            torch.tensor([len(answer) for answer in answers]),
        )

    def _tokens(self, texts: list[str]) -> Tensor:
        rows = [torch.tensor(list(text.encode())) + self.FIRST for text in texts]
        return pad_sequence(rows, batch_first=True, padding_value=self.PAD)


def _text(length: int, depth: int, key: int) -> str:
    sentences = list(islice(cycle(_FILLER), length))
    sentences.insert(depth, _KEY.format(key=key))
    return " ".join((_TASK, *sentences, _QUESTION))


def _answer(key: int) -> str:
    return f" {key}"

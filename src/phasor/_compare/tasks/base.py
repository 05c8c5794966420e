"""What every task gives: batches to learn from, and fixed batches to be judged on."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

EVALUATION_SEED = 20_260_101
"""Draws the sequences on which every model is judged, whatever its own seed."""


@dataclass(frozen=True)
class Batch:
    """Sequences with their answers.

    Args:
        tokens: `[batch, seq]`, what the model reads.
        targets: `[batch, seq]`, the token that follows each.
        scored: `[batch, seq]`, true where the target counts.
    """

    tokens: Tensor
    targets: Tensor
    scored: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on `device`."""
        return Batch(self.tokens.to(device), self.targets.to(device), self.scored.to(device))

    def split(self, max_tokens: int) -> list["Batch"]:
        """In parts of about `max_tokens` tokens each."""
        rows = max(1, max_tokens // self.tokens.shape[1])
        parts = (x.split(rows) for x in (self.tokens, self.targets, self.scored))
        return [Batch(*part) for part in zip(*parts, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Lengths and budget that are known to separate the encodings on a task.

    Args:
        train_length: Longest sequence in training.
        eval_factors: Lengths to evaluate at, as multiples of `train_length`.
        steps: Optimiser steps.
        batch_size: Sequences per step.
    """

    train_length: int
    eval_factors: tuple[float, ...]
    steps: int
    batch_size: int


class Task(Protocol):
    """A source of training and evaluation batches."""

    recipe: ClassVar[Recipe]
    summary: ClassVar[str]
    """What is to be done, in a few words."""
    length_unit: ClassVar[str]
    """What a length counts, in words."""
    unit: ClassVar[str]
    """What the loss is counted per, in words."""
    has_one_answer: ClassVar[bool]
    """Whether a sequence has one right answer, so that exact match means something."""
    has_running_text: ClassVar[bool]
    """Whether every token of a sequence can be predicted from those before it."""
    chance: ClassVar[float]
    """Share of sequences that a guess answers, where it is worth telling; else 0."""
    num_sequences: ClassVar[int]
    """Sequences in an evaluation batch."""
    vocab_size: int

    def num_positions(self, length: int) -> int:
        """Tokens that the model reads of a sequence of `length`."""
        ...

    def training_batch(self, batch_size: int, generator: torch.Generator) -> Batch:
        """Sequences to learn from: a new draw of `generator`."""
        ...

    def evaluation_batch(self, length: int) -> Batch:
        """The sequences on which every model is judged at `length`: always the same."""
        ...

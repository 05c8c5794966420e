"""What all trials of a comparison have in common."""

import math
from dataclasses import dataclass

from phasor._compare.model import EMBEDDING_RMS
from phasor.encodings.catalogue import ModelShape
from phasor.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """Everything that decides the outcome of a trial but the encoding, the seed and the text.

    Args:
        task: A name of `phasor._compare.tasks.TASKS`.
        train_length: Longest sequence in training.
        eval_lengths: Lengths to evaluate at, ascending; the first is `train_length`.
        steps: Optimiser steps.
        batch_size: Sequences per step.
        learning_rate: Peak of the schedule: warm-up over a tenth of the steps, then cosine to 0.
        score_lr_factor: Learning rate of an encoding's parameters at the score, as a multiple.
        width: Channels of the model.
        layers: Blocks.
        heads: Heads per block.
        device: `"cpu"` or `"cuda"`.

    Raises:
        ArgumentError: A number that is not positive, or heads that do not fit the width.
    """

    task: str
    train_length: int
    eval_lengths: tuple[int, ...]
    steps: int
    batch_size: int
    learning_rate: float = 3e-3
    score_lr_factor: float = 10.0
    width: int = 64
    layers: int = 2
    heads: int = 4
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("train_length", "steps", "batch_size", "learning_rate", "width", "layers"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(f"{name} must be positive, got {getattr(self, name)}")
        if self.train_length < 2:
            raise ArgumentError(f"train_length must be at least 2, got {self.train_length}")
        if self.heads < 1 or self.width % self.heads or self.width // self.heads % 2:
            raise ArgumentError(
                f"width must be a multiple of heads with an even number of channels per head, got "
                f"width {self.width} for {self.heads} heads; width {2 * max(self.heads, 1) * 8} "
                f"would do"
            )

    def shape(self, num_positions: int) -> ModelShape:
        """What an encoding may need to know, for sequences of up to `num_positions` tokens."""
        return ModelShape(
            dim=self.width,
            head_dim=self.width // self.heads,
            num_heads=self.heads,
            num_positions=num_positions,
            rms=EMBEDDING_RMS,
        )

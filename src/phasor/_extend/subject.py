"""What is extended and what is done to it: what rotary models and learned tables have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Candidate(ABC):
    """One way to reach the target.

    Args:
        name: Of the method, with what sets it apart from others of that name.
        max_seq_len: What the config is to give as the longest sequence.
        why: In a sentence, what it does.
    """

    name: str
    max_seq_len: int
    why: str

    @abstractmethod
    def configure(self, config: dict[str, Any]) -> dict[str, str]:
        """Change `config`, as in `config.json`, to this; each field that differs, and why."""


@dataclass(frozen=True, kw_only=True)
class Subject(ABC):
    """A checkpoint, loaded and understood.

    Args:
        path: Where it is.
        model: Of transformers, in float32, to be evaluated and not trained.
        tokenizer: Of transformers.
        stored: The type that its config gives for the weights on disk.
        on_disk: Whether the weights are those at `path`; not if they were trained since.
    """

    path: Path
    model: Any
    tokenizer: Any
    stored: torch.dtype = torch.float32
    on_disk: bool = True

    @property
    @abstractmethod
    def trained_length(self) -> int:
        """Tokens that it was trained for."""

    @property
    @abstractmethod
    def target_length(self) -> int:
        """Tokens that are wanted."""

    @abstractmethod
    def running(self, candidate: Candidate, seq_len: int) -> AbstractContextManager[Any]:
        """The model with `candidate` for sequences of `seq_len` tokens, to be run meanwhile."""

    def changed(self, candidate: Candidate) -> Mapping[str, Tensor]:
        """Weights that `candidate` changes, by their names in the model."""
        return {}

"""A model that rotates queries and keys, to be given other frequencies."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from phasor._extend.install import installed
from phasor._extend.methods import RotaryCandidate, Situation
from phasor._extend.subject import Candidate, Subject
from phasor._inspect.rotation import trained_length
from phasor.errors import ArgumentError
from phasor.rotary import geometric
from phasor.spec import PositionSpec, RotarySpec


@dataclass(frozen=True, kw_only=True)
class RotarySubject(Subject):
    """A rotary checkpoint.

    Args:
        rotary: Modules of its model that hold frequencies.
        situation: What methods need to know of it.
    """

    rotary: tuple[nn.Module, ...]
    situation: Situation

    @property
    def trained_length(self) -> int:
        """Tokens that it was trained for."""
        return self.situation.trained_length

    @property
    def target_length(self) -> int:
        """Tokens that are wanted."""
        return self.situation.target_length

    def running(self, candidate: Candidate, seq_len: int) -> AbstractContextManager[Any]:
        """The model with `candidate` for sequences of `seq_len` tokens, to be run meanwhile."""
        assert isinstance(candidate, RotaryCandidate)
        return self._running(candidate, seq_len)

    @contextmanager
    def _running(self, candidate: RotaryCandidate, seq_len: int) -> Iterator[Any]:
        frequencies = candidate.frequencies(self.situation.frequencies, seq_len)
        with installed(self.rotary, frequencies):
            yield self.model


def read_rotation(spec: PositionSpec, config: Any, name: object, target_length: int) -> Situation:
    """What methods need to know of a model.

    Args:
        spec: Of the model.
        config: Of transformers.
        name: Of the checkpoint, for errors.
        target_length: Tokens that are wanted.

    Raises:
        ArgumentError: Frequencies that cannot be stretched, or a target within the length that the
            model has.
    """
    found = {
        (each.frequencies, each.scaling): each
        for layer in spec.layers
        for each in layer.encodings
        if isinstance(each, RotarySpec)
    }
    if len(found) > 1:
        raise ArgumentError(
            f"the layers of {name} turn at {len(found)} different paces; models with one pace for "
            "all layers can be extended so far"
        )
    (((frequencies, scaling), rotary),) = found.items()
    built = frequencies.build()
    if built.axes != 1:
        raise ArgumentError(f"{name} turns along {built.axes} axes; one can be extended so far")
    if built.base is None or built != geometric(built.rotary_dim, built.base):
        raise ArgumentError(
            f"the pairs of {name} do not turn by a base alone; those that do can be extended so far"
        )
    longest = getattr(config, "max_position_embeddings", None)
    trained, _ = trained_length(rotary, longest, spec.trained_seq_len)
    if trained is None:
        raise ArgumentError(
            f"{name} does not say for how many tokens the model was trained: its config has no "
            "max_position_embeddings; add it"
        )
    check_target(target_length, trained, name)
    return Situation(
        frequencies=built,
        scaling=scaling,
        rope_parameters=dict(config.rope_parameters),
        trained_length=trained,
        target_length=target_length,
    )


def check_target(target_length: int, trained: int, name: object) -> None:
    """Raise unless the target is beyond what the checkpoint called `name` was trained for."""
    if target_length <= trained:
        raise ArgumentError(
            f"to= must be more than the {trained:,} tokens that {name} was trained for, got "
            f"{target_length:,}"
        )


def rotary_modules(model: nn.Module) -> tuple[nn.Module, ...]:
    """The modules of `model` that hold frequencies."""
    return tuple(
        module
        for module in model.modules()
        if hasattr(module, "inv_freq") and hasattr(module, "attention_scaling")
    )

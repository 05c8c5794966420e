"""What all scalings share: their type, and the checks of their numbers."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies


class Scaling(Protocol):
    """Frequencies in, frequencies out; the same for every length."""

    def __call__(self, frequencies: Frequencies) -> Frequencies: ...


@runtime_checkable
class LengthScaling(Protocol):
    """A scaling that is settled only when the length of the sequence is known.

    Keys that were rotated for one length do not fit queries rotated for another: see
    `phasor.rerotate`.
    """

    def at(self, seq_len: int) -> Scaling:
        """The scaling for sequences of up to `seq_len` tokens."""
        ...


class NamedElsewhere:
    """A scaling that others write down too.

    Attributes:
        rope_type: What transformers' `rope_parameters` call it.
        rope_keys: Their keys, and the argument that each is.
        rope_needs: Those without a default there.
        unnamed: Arguments that no key states: an architecture has them.
    """

    rope_type: ClassVar[str]
    rope_keys: ClassVar[Mapping[str, str]]
    rope_needs: ClassVar[tuple[str, ...]] = ("factor",)
    unnamed: ClassVar[tuple[str, ...]] = ()

    def to_hf(self) -> dict[str, Any]:
        """The keys of `rope_parameters` that say this; defaults are left out.

        Raises:
            ArgumentError: A number that no key of transformers holds.
        """
        keys = {name: key for key, name in self.rope_keys.items()}
        found: dict[str, Any] = {"rope_type": self.rope_type}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value, key = getattr(self, field.name), keys.get(field.name)
            is_default = value == field.default and key not in self.rope_needs
            if not field.init or is_default or field.name in self.unnamed:
                continue
            if key is None:
                raise ArgumentError(
                    f"transformers' rope_type {self.rope_type!r} has no {field.name}, got {value!r}"
                )
            found[key] = list(value) if isinstance(value, tuple) else value
        return found

    @classmethod
    def from_hf(
        cls, parameters: Mapping[str, Any], *, max_position_embeddings: int | None = None
    ) -> Self:
        """What `rope_parameters` of this `rope_type` say.

        Args:
            parameters: With numbers that are numbers; keys that are not this scaling's are left.
            max_position_embeddings: Of the config, from which what they lack follows.
        """
        given = {
            name: parameters[key]
            for key, name in cls.rope_keys.items()
            if parameters.get(key) is not None
        }
        if max_position_embeddings is not None and "factor" not in given:
            given["factor"] = max_position_embeddings / given["original_seq_len"]
        return cls(**given)


class NamedInGGUF(NamedElsewhere):
    """A scaling that llama.cpp has as well.

    Attributes:
        gguf_type: What `rope.scaling.type` of a GGUF file calls it.
        gguf_keys: Its metadata, without the architecture before it, and the argument that each is.
    """

    gguf_type: ClassVar[str]
    gguf_keys: ClassVar[Mapping[str, str]]

    @classmethod
    def gguf_defaults(cls) -> dict[str, float]:
        """What is meant where a file lacks a key; keys that it must have are not here."""
        return {
            key: getattr(cls, name) for key, name in cls.gguf_keys.items() if hasattr(cls, name)
        }


def keys(*same: str, **others: str) -> dict[str, str]:
    """Keys and their arguments, `same` where both have one name."""
    return {**dict(zip(same, same, strict=True)), **others}


LENGTH_KEY = "original_max_position_embeddings"
"""What transformers calls `original_seq_len`."""


def check_one_axis(name: str, frequencies: Frequencies) -> None:
    """Raise unless `frequencies` are of one axis, as `name` needs them."""
    if frequencies.axes != 1:
        raise ArgumentError(
            f"{name} is defined for one axis of positions, got frequencies with "
            f"{frequencies.axes}; scale them before sections(...) gives them to axes"
        )


def check_at_least_one(name: str, value: float) -> None:
    """Raise unless `value` is a finite number from 1 on."""
    if not 1 <= value < math.inf:
        raise ArgumentError(f"{name} must be at least 1, got {value}")

"""An encoding as one piece of data: the arguments of its constructor, stated once.

The constructor, the spec that a model is described by, its JSON, the spelling on the command line,
the words of a report and `repr` all come from the fields of one frozen dataclass.
"""

import dataclasses
import inspect
import operator
import re
import types
import typing
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

import torch

from phasor._sizes import MOST_NUMBERS, check_channels, check_tokens, within_float64
from phasor.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from phasor.encoding import PositionEncoding

Encoding = TypeVar("Encoding", bound="PositionEncoding")
Arguments = ParamSpec("Arguments")
Owner = TypeVar("Owner", bound="PositionEncoding")

UNSTATED = {"unstated": True}
"""Metadata of a field that JSON has only where it is not the default: newer than its version."""

_CHANNELS = ("head_dim", "dim", "num_heads", "rotary_dim")
_TOKENS = ("original_seq_len", "offset")


class EncodingSpec(Generic[Encoding]):
    """The arguments of an encoding's constructor, frozen and comparable.

    Each encoding has one, a frozen dataclass in its own file, which `phasor.spec` lists; it is also
    `Rotary.Options`, `ALiBi.Options`, ....

    Raises:
        ArgumentError: What the encoding refuses.
        ArgumentTypeError: An argument of another kind.
    """

    encoding: ClassVar[Any]
    """The class that it is of."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        with within_float64():
            self.check()
        sizes = {name: getattr(self, name, None) for name in (*_CHANNELS, *_TOKENS)}
        check_channels(**{k: v for k, v in sizes.items() if v is not None and k in _CHANNELS})
        check_tokens(**{k: v for k, v in sizes.items() if v is not None and k in _TOKENS})

    def check(self) -> None:
        """Raise unless the arguments fit each other; nothing is allocated."""

    def build(self) -> Encoding:
        """The module, with untrained parameters."""
        values = {field.name: getattr(self, field.name) for field in stated(self)}
        return typing.cast("Encoding", self.encoding(**values))

    def in_words(self) -> str:
        """What it does, with every number that matters."""
        return f"{self.encoding.__name__}: {self.given() or 'no numbers'}"

    def given(self) -> str:
        """The arguments without a default, and those that are not the default, as in a call."""
        return ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in stated(self)
            if field.default is dataclasses.MISSING or getattr(self, field.name) != field.default
        )


def stated(spec: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a spec that are arguments, in their order."""
    return [field for field in dataclasses.fields(spec) if field.init]


def constructed_from(
    options: Callable[Arguments, EncodingSpec[Any]],
) -> Callable[[Callable[[Owner, Any], None]], Callable[Concatenate[Owner, Arguments], None]]:
    """Make a constructor that gets `options` one that takes their fields.

    Checkers and `help` see the fields. The module keeps the options as `options`.
    """

    def decorate(
        init: Callable[[Owner, Any], None],
    ) -> Callable[Concatenate[Owner, Arguments], None]:
        @wraps(init)
        def constructor(self: Owner, *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            given = options(*args, **kwargs)
            init(self, given)
            self.options = given

        own, *_ = inspect.signature(init).parameters.values()
        fields = inspect.signature(options).parameters.values()
        constructor.__signature__ = inspect.Signature([own, *fields])  # type: ignore[attr-defined]
        constructor.__annotations__ = {each.name: each.annotation for each in fields}
        constructor.options = options  # type: ignore[attr-defined]
        return constructor

    return decorate


def options_of(encoding: type["PositionEncoding"]) -> type[EncodingSpec[Any]] | None:
    """What the constructor of a class takes, as `constructed_from` was told."""
    return getattr(encoding.__dict__.get("__init__"), "options", None)


def with_arguments(text: str, options: type) -> str:
    """The docstring of an encoding, with that of its options' arguments where those belong."""
    lines = inspect.cleandoc(options.__doc__ or "")
    found = re.search(r"^Args:\n(?:(?: .*)?\n)*(?: .*)?", lines + "\n", re.MULTILINE)
    if found is None or "\n    Args:" in text:
        return text
    arguments = "\n".join("    " + line if line else "" for line in found[0].rstrip().split("\n"))
    place = re.search(r"\n    (Attributes|Raises|Source|Examples):\n", text)
    at = len(text) if place is None else place.start()
    return f"{text[:at].rstrip()}\n\n{arguments}\n{text[at:]}"


# Many layers do the same, and a config may say so ten thousand times.
@lru_cache(maxsize=64)
def check_builds(spec: EncodingSpec[Any]) -> None:
    """Raise unless `spec` can make its module; nothing is allocated.

    Raises:
        ArgumentError: What the module refuses, or tables that no memory holds.
    """
    try:
        with within_float64(), torch.device("meta"):
            module = spec.build()
    except RuntimeError as error:  # the size of a table passes what a tensor can count
        reason = str(error).splitlines()[0]
        raise ArgumentError(f"its tables cannot be made: {reason}") from None
    numbers = sum(parameter.numel() for parameter in module.parameters())
    if numbers > MOST_NUMBERS:
        raise ArgumentError(
            f"{type(module).__name__} would have tables of {numbers} numbers; at most "
            f"{MOST_NUMBERS} are made"
        )


@lru_cache
def _kinds(options: type) -> dict[str, tuple[type, bool]]:
    """The fields that hold a number, a flag or a word, and which; and whether `None` is one too."""
    found = {}
    for name, hint in typing.get_type_hints(options).items():
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        kinds = typing.get_args(hint) if union else (hint,)
        plain = [kind for kind in kinds if kind is not type(None)]
        if len(plain) == 1 and plain[0] in (int, float, bool, str):
            found[name] = plain[0], type(None) in kinds
    return found


def _check_kinds(spec: EncodingSpec[Any]) -> None:
    """Raise unless numbers are numbers; those of other libraries become Python's."""
    own = {field.name for field in stated(spec)}
    for name, (kind, optional) in _kinds(type(spec)).items():
        if name not in own:
            continue
        value = getattr(spec, name)
        if type(value) is kind or isinstance(value, torch.SymInt | torch.SymFloat):
            continue
        if value is None and optional:
            continue
        if kind is int and hasattr(type(value), "__index__"):
            object.__setattr__(spec, name, operator.index(value))
        elif kind is float and isinstance(value, int):
            continue  # as written; equal to the float
        elif kind is float and hasattr(type(value), "__float__"):
            object.__setattr__(spec, name, float(value))
        else:
            words = {int: "an integer", float: "a number", bool: "True or False", str: "a word"}
            raise ArgumentTypeError(
                f"{name} of {spec.encoding.__name__} must be {words[kind]}, got "
                f"{type(value).__name__} {value!r}"
            )

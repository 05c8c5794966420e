"""An encoding as one piece of data: the arguments of its constructor, stated once.

The constructor, the spec that a model is described by, its JSON, the spelling on the command line,
the words of a report and `repr` all come from the fields of one frozen dataclass.
"""

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, ParamSpec, Self, TypeVar

import torch

from phasor._kinds import check_kinds, stated
from phasor._sizes import MOST_NUMBERS, check_channels, check_tokens, within_float64
from phasor.errors import ArgumentError

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
        check_kinds(self)
        with within_float64():
            self.check()
        sizes = {name: getattr(self, name, None) for name in (*_CHANNELS, *_TOKENS)}
        check_channels(**{k: v for k, v in sizes.items() if v is not None and k in _CHANNELS})
        check_tokens(**{k: v for k, v in sizes.items() if v is not None and k in _TOKENS})

    def check(self) -> None:
        """Raise unless the arguments fit each other; nothing is allocated."""

    @property
    def each_layer(self) -> bool:
        """Whether the module holds what its layer alone learned, so that no other may share it."""
        return bool(self.encoding.each_layer)

    def check_whole(self) -> None:
        """Raise unless a model can have it, as a spec of one asks: tables that memory holds."""
        check_builds(self)

    def kept(self) -> Self:
        """What a module keeps of the options that it is made with."""
        return self

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
            try:
                given = options(*args, **kwargs)
            except TypeError as error:  # of the constructor that was called, not of this one
                prefix = f"{getattr(options, '__qualname__', '')}.__init__()"
                if not str(error).startswith(prefix):
                    raise
                words = str(error).replace(prefix, f"{type(self).__name__}()", 1)
                raise TypeError(words) from None
            init(self, given)
            self.options = given.kept()

        own, *_ = inspect.signature(init).parameters.values()
        fields = [
            field.replace(annotation=getattr(field.annotation, "type", field.annotation))
            for field in inspect.signature(options).parameters.values()
        ]  # without InitVar
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
def check_whole(spec: EncodingSpec[Any]) -> None:
    """Raise unless a model can have `spec`.

    Raises:
        ArgumentError: It cannot.
        ArgumentTypeError: Something in it has no name.
    """
    spec.check_whole()


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

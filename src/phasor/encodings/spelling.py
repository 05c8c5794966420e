"""Short spellings of encodings, such as `rotary(base=500000, scaling=yarn(factor=4, ...))`.

They are read as data and never evaluated: a name, and arguments by keyword whose values are
numbers, words, lists of numbers, or the spelling of a scaling.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from phasor.encoding import PositionEncoding
from phasor.encodings.catalogue import ModelShape, look_up
from phasor.errors import ArgumentError, unknown_name
from phasor.rotary import scaling

_SCALINGS = {
    name: getattr(scaling, name)
    for name in (
        "linear",
        "ntk",
        "ntk_alpha",
        "dynamic_ntk",
        "yarn",
        "llama3",
        "stretch",
        "longrope",
    )
}

Made = TypeVar("Made")
Value = float | int | bool | str | tuple[float, ...] | object


@dataclass(frozen=True)
class Spelling:
    """An encoding by name, with the arguments that were given.

    Args:
        encoding: Its class.
        name: Its name in the catalogue.
        options: Arguments of its constructor, parsed.
        text: The spelling without spaces: what reports call it.
    """

    encoding: type[PositionEncoding]
    name: str
    options: Mapping[str, Value]
    text: str

    def build(self, shape: ModelShape) -> PositionEncoding:
        """Build it for a model of `shape`; what was given comes before what the model has.

        Raises:
            ArgumentError: An argument that the encoding does not have or refuses.
        """
        wanted = inspect.signature(self.encoding).parameters.keys()
        _check_options(self.options, wanted, self.name)
        own = {key: value for key, value in asdict(shape).items() if key in wanted}
        return _call(self.encoding, {**own, **self.options}, self.text)


def parse_spelling(text: str) -> Spelling:
    """Read one spelling.

    Raises:
        ArgumentError: No such encoding or scaling, or not of the form `name(argument=value, ...)`.

    Examples:
        >>> from phasor.encodings.spelling import parse_spelling
        >>> parse_spelling("rotary(base=5e5, layout=interleaved)").options
        {'base': 500000.0, 'layout': 'interleaved'}
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise _bad_form(text) from None
    name, options = _name_and_options(node, text)
    return Spelling(look_up(name), name, options, "".join(text.split()))


def split_spellings(text: str) -> list[str]:
    """Divide a list at its commas, but not at those inside parentheses.

    Examples:
        >>> from phasor.encodings.spelling import split_spellings
        >>> split_spellings("none, rotary(base=100, rotary_dim=8), alibi")
        ['none', 'rotary(base=100, rotary_dim=8)', 'alibi']
    """
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _name_and_options(node: ast.expr, text: str) -> tuple[str, dict[str, Value]]:
    if isinstance(node, ast.Name):
        return node.id, {}
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)) or node.args:
        raise _bad_form(text)
    options: dict[str, Value] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise _bad_form(text)
        options[keyword.arg] = _value(keyword.value, text)
    return node.func.id, options


def _value(node: ast.expr, text: str) -> Value:
    if isinstance(node, ast.Call):
        name, options = _name_and_options(node, text)
        if name not in _SCALINGS:
            raise unknown_name("there is no scaling", name, list(_SCALINGS))
        wanted = inspect.signature(_SCALINGS[name]).parameters.keys()
        _check_options(options, wanted, name)
        return _call(_SCALINGS[name], options, text)
    if isinstance(node, ast.Name):
        return node.id
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise _bad_form(text) from None
    if isinstance(value, list | tuple):
        value = tuple(value)
        if all(type(item) in (int, float) for item in value):
            return value
    elif type(value) in (int, float, bool, str):
        return value
    raise _bad_form(text)


def _call(maker: Callable[..., Made], options: Mapping[str, Value], text: str) -> Made:
    try:
        return maker(**options)
    except ArgumentError as error:
        raise ArgumentError(f"{text}: {error}") from error
    except TypeError as error:
        # A missing argument, or a word where a number belongs.
        raise ArgumentError(
            f"{text}: {str(error).replace('__init__()', getattr(maker, '__name__', ''))}"
        ) from error


def _check_options(options: Iterable[str], wanted: Iterable[str], name: str) -> None:
    for option in options:
        if option not in wanted:
            raise unknown_name(f"{name} has no argument", option, list(wanted))


def _bad_form(text: str) -> ArgumentError:
    return ArgumentError(
        f"cannot read the encoding {text!r}; write a name, or a name with arguments such as "
        "rotary(base=500000) or rotary(scaling=yarn(factor=4, original_seq_len=64))"
    )

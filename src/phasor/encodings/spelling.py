"""Short spellings of encodings, such as `rotary(base=500000, scaling=yarn(factor=4, ...))`.

They are read as data and never evaluated: a name, and arguments by keyword whose values are
numbers, words, lists of numbers, or the spelling of a scaling. `module:Class` names an encoding
from elsewhere. Several with a slash between, such as `rotary/rotary/none`, are those of the layers,
which take turns.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from phasor.encoding import PositionEncoding
from phasor.encodings.catalogue import ALIASES, ModelShape, look_up
from phasor.errors import ArgumentError, unknown_name
from phasor.per_layer import PerLayer
from phasor.rotary import scaling
from phasor.rotary.scaling import LengthScaling, Scaling

Made = TypeVar("Made")
_FROM_ELSEWHERE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")

Value = float | int | bool | str | tuple[float, ...] | object


@dataclass(frozen=True)
class SpelledEncoding:
    """An encoding by name, with the arguments that were given.

    Args:
        encoding: Its class.
        name: Its name in the catalogue.
        options: Arguments of its constructor, parsed.
        text: How it was spelled, for messages.
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


@dataclass(frozen=True)
class Spelling:
    """The encodings of a model's layers, which take turns: one for all layers, or several.

    Args:
        turns: At least one.
        text: The spelling without spaces and aliases: what reports call it.
    """

    turns: tuple[SpelledEncoding, ...]
    text: str

    def build(self, shape: ModelShape, num_layers: int) -> PerLayer:
        """Build them for a model of `shape` with `num_layers` layers.

        Raises:
            ArgumentError: An argument that an encoding does not have or refuses.
            SiteError: Two of them enter at the embedding.
        """
        built = [encoding.build(shape) for encoding in self.turns]
        if any(encoding.each_layer for encoding in built):
            rest = range(len(built), num_layers)
            built += [
                self.turns[layer % len(self.turns)].build(shape)
                if built[layer % len(self.turns)].each_layer
                else built[layer % len(self.turns)]
                for layer in rest
            ]
        return PerLayer.in_turn(built, num_layers)


def parse_spelling(text: str) -> Spelling:
    """Read one spelling.

    Raises:
        ArgumentError: No such encoding or scaling, or not of the form `name(argument=value, ...)`,
            or several of those with `/` between.

    Examples:
        >>> from phasor.encodings.spelling import parse_spelling
        >>> parse_spelling("rotary(base=5e5, layout=interleaved)").turns[0].options
        {'base': 500000.0, 'layout': 'interleaved'}
        >>> [encoding.name for encoding in parse_spelling("rotary / rotary / none").turns]
        ['rotary', 'rotary', 'none']
    """
    node = _parsed(_FROM_ELSEWHERE.sub(r"\1.\2", text), text)
    turns: list[SpelledEncoding] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        turns.insert(0, _encoding(node.right, text))
        node = node.left
    turns.insert(0, _encoding(node, text))
    return Spelling(tuple(turns), _without_aliases("".join(text.split())))


def parse_scaling(text: str) -> Scaling | LengthScaling:
    """Read the spelling of a scaling by itself, such as `yarn(factor=4, original_seq_len=64)`.

    Raises:
        ArgumentError: No such scaling, not of this form, or arguments that it refuses.
    """
    return _scaling(_parsed(text, text), text)


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


def _parsed(expression: str, text: str) -> ast.expr:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise _bad_form(text) from None


def _encoding(node: ast.expr, text: str) -> SpelledEncoding:
    name, options = _name_and_options(node, text)
    spelled = ast.unparse(node).replace(name.replace(":", "."), name, 1)
    return SpelledEncoding(look_up(name), ALIASES.get(name, name), options, spelled)


def _without_aliases(text: str) -> str:
    """`rotary(base=5)/none` for `rope(base=5)/nope`: one name in reports and folders."""
    for alias, name in ALIASES.items():
        text = re.sub(rf"(?<![^/]){alias}(?![^(/])", name, text)
    return text


def _name_and_options(node: ast.expr, text: str) -> tuple[str, dict[str, Value]]:
    if not isinstance(node, ast.Call):
        return _name(node, text), {}
    if node.args:
        raise _bad_form(text)
    options: dict[str, Value] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise _bad_form(text)
        options[keyword.arg] = _value(keyword.value, text)
    return _name(node.func, text), options


def _name(node: ast.expr, text: str) -> str:
    """A word, or `module:Class`, in which a dot was put for the colon before it was parsed."""
    name = ast.unparse(node)
    if isinstance(node, ast.Attribute):
        name = ":".join(name.rsplit(".", 1))
    if not (isinstance(node, ast.Name) or _FROM_ELSEWHERE.fullmatch(name)) or (
        ":" in name and name not in text
    ):
        raise _bad_form(text)
    return name


def _value(node: ast.expr, text: str) -> Value:
    if isinstance(node, ast.Call):
        return _scaling(node, text)
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


def _scaling(node: ast.expr, text: str) -> Scaling | LengthScaling:
    name, options = _name_and_options(node, text)
    if name not in scaling.BY_NAME:
        raise unknown_name("there is no scaling", name, list(scaling.BY_NAME))
    wanted = inspect.signature(scaling.BY_NAME[name]).parameters.keys()
    _check_options(options, wanted, name)
    return _call(scaling.BY_NAME[name], options, text)


def _call(maker: Callable[..., Made], options: Mapping[str, Value], text: str) -> Made:
    try:
        return maker(**options)
    except ArgumentError as error:
        raise ArgumentError(f"{text}: {error}") from error
    except TypeError as error:
        # A missing argument, or a word where a number belongs.
        name = getattr(maker, "__name__", "")
        words = str(error).replace(f"{name}.__init__()", f"{name}()")
        raise ArgumentError(f"{text}: {words}") from error


def _check_options(options: Iterable[str], wanted: Iterable[str], name: str) -> None:
    for option in options:
        if option not in wanted:
            raise unknown_name(f"{name} has no argument", option, list(wanted))


def _bad_form(text: str) -> ArgumentError:
    return ArgumentError(
        f"cannot read the encoding {text!r}; write a name, or a name with arguments such as "
        "rotary(base=500000) or rotary(scaling=yarn(factor=4, original_seq_len=64)), or several "
        "that take turns with the layers: rotary/none"
    )

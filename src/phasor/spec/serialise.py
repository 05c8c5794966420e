"""Specs as JSON: versioned, readable, and read back strictly."""

import dataclasses
import json
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from phasor._encoding_spec import UNSTATED, EncodingSpec
from phasor._kinds import stated
from phasor.errors import ArgumentError, ArgumentTypeError, unknown_name
from phasor.rotary import Frequencies
from phasor.rotary.rules import rule_of
from phasor.spec.kinds import NAMES, PARTS

VERSION = 1
_VERSION_KEY = "phasor_spec"
_LAYERS, _DISTINCT = "layers", "distinct_layers"

Spec = TypeVar("Spec")


def encode(spec: Any) -> str:
    """A `PositionSpec` as JSON, of this version."""
    return json.dumps({_VERSION_KEY: VERSION, **_plain(spec)}, indent=2)


def decode(text: str, root: type[Spec]) -> Spec:
    """Read what `encode` wrote for a `root`.

    Raises:
        ArgumentError: Anything else.
    """
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ArgumentError:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, or a number of too many digits
        raise ArgumentError(f"a spec must be JSON as to_json writes it: {error}") from None
    if not isinstance(found, dict) or found.get(_VERSION_KEY) != VERSION:
        version = found.get(_VERSION_KEY) if isinstance(found, dict) else None
        raise ArgumentError(
            f"a spec must say {_VERSION_KEY!r}: {VERSION}, got {version!r}; another version of "
            "phasor wrote it, or it is no spec"
        )
    del found[_VERSION_KEY]
    return _dataclass(found, root, "spec")


def _plain(value: Any, hint: Any = None) -> Any:
    if isinstance(value, Frequencies):
        value = rule_of(value)
    if isinstance(value, tuple):
        item_hint = next(iter(typing.get_args(hint)), None)
        return [_plain(item, item_hint) for item in value]
    if not dataclasses.is_dataclass(value):
        # Equal specs give equal text, whether a factor was written 4 or 4.0.
        as_float = type(value) is int and float in (hint, *typing.get_args(hint))
        return float(value) if as_float else value
    if isinstance(value, EncodingSpec) and type(value) not in NAMES:
        raise ArgumentTypeError(
            f"JSON has no name for {type(value).__name__}, which is not of phasor's encodings"
        )
    name, hints = NAMES.get(type(value)), typing.get_type_hints(type(value))
    plain: dict[str, Any] = {} if name is None else {"kind": name}
    for field in stated(value):
        if field.name == _LAYERS:
            distinct = list(dict.fromkeys(value.layers))
            plain[_LAYERS] = [distinct.index(layer) for layer in value.layers]
            plain[_DISTINCT] = [_plain(layer) for layer in distinct]
        elif not (_may_lack(field) and getattr(value, field.name) == field.default):
            plain[_key(field.name)] = _plain(getattr(value, field.name), hints[field.name])
    return plain


def _value(value: Any, hint: Any, path: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if (origin or hint) in PARTS:
        return _dataclass(value, None, path, PARTS[origin or hint])
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, arguments, path)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise _wrong(path, f"one of {list(arguments)}", value)
        return value
    if origin is tuple or origin is Sequence:
        if not isinstance(value, list):
            raise _wrong(path, "a list", value)
        return tuple(_value(item, arguments[0], f"{path}[{at}]") for at, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return _dataclass(value, typing.cast("type", hint), path)
    if hint is float and type(value) is int:
        return _as_float(value, path)
    if type(value) is not hint:
        raise _wrong(path, _WORDS[hint], value)
    return value


def _one_of(value: Any, hints: tuple[Any, ...], path: str) -> Any:
    if types.NoneType in hints and value is None:
        return None
    rest = [hint for hint in hints if hint is not types.NoneType]
    if len(rest) == 1:
        return _value(value, rest[0], path)
    (known,) = (PARTS[hint] for hint in rest if hint in PARTS)
    return _dataclass(value, None, path, known)


def _dataclass(
    value: Any, expected: type | None, path: str, known: dict[str, type] | None = None
) -> Any:
    if not isinstance(value, dict):
        raise _wrong(path, "an object", value)
    value = dict(value)
    if expected is None or expected in NAMES:
        kind = value.pop("kind", None)
        known = known or {NAMES[typing.cast("type", expected)]: typing.cast("type", expected)}
        if not isinstance(kind, str) or kind not in known:
            raise unknown_name(f"{path} has no kind", str(kind), list(known))
        expected = known[kind]
    hints = {_key(name): hint for name, hint in typing.get_type_hints(expected).items()}
    given = {_key(field.name): field for field in stated(expected)}
    fields = [key for key, field in given.items() if key in value or not _may_lack(field)]
    wanted = [*fields, _DISTINCT] if _LAYERS in fields else fields
    for name in value:
        if name not in wanted:
            raise unknown_name(f"{path} has no field", name, wanted)
    for name in wanted:
        if name not in value:
            raise ArgumentError(f"{path} lacks the field {name!r}; a spec states every field")
    if _LAYERS in fields:
        value[_LAYERS] = _layers(value[_LAYERS], value.pop(_DISTINCT), path)
    made = {
        given[key].name: _value(item, hints[key], f"{path}.{key}") for key, item in value.items()
    }
    try:
        return expected(**made)
    except (ArgumentError, ArgumentTypeError) as error:
        raise ArgumentError(f"{path}: {error}") from error


def _key(name: str) -> str:
    """What a field is called in JSON, where `kind` says what has the fields."""
    return "kind_" if name == "kind" else name


def _may_lack(field: Any) -> bool:
    return field.metadata == UNSTATED


def _layers(indices: Any, distinct: Any, path: str) -> list[Any]:
    if not isinstance(distinct, list):
        raise _wrong(f"{path}.{_DISTINCT}", "a list", distinct)
    if not isinstance(indices, list):
        raise _wrong(f"{path}.{_LAYERS}", "a list", indices)
    for at, index in enumerate(indices):
        if type(index) is not int or not 0 <= index < len(distinct):
            raise _wrong(
                f"{path}.{_LAYERS}[{at}]", f"a number from 0 to {len(distinct) - 1}", index
            )
    return [distinct[index] for index in indices]


_WORDS = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}


def _as_float(value: int, path: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _wrong(path, "a number that float64 can hold", "a larger one") from None


def _wrong(path: str, expected: str, value: Any) -> ArgumentError:
    shown = repr(value)
    return ArgumentError(
        f"{path} must be {expected}, got {shown if len(shown) < 60 else shown[:57] + '...'}"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ArgumentError(f"a spec states each field once, got {twice!r} twice in one object")
    return found


def _no_constant(name: str) -> float:
    raise ArgumentError(f"a spec holds finite numbers, got {name}")

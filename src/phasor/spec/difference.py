"""Two specs compared, in sentences."""

import dataclasses
from typing import Any

from phasor.spec.kinds import NAMES
from phasor.spec.layer_words import which_layers

_SHORT_LIST = 6


def differences(first: Any, second: Any) -> list[str]:
    """How the `PositionSpec` `second` differs from `first`, a sentence each."""
    one, two = first.model, second.model
    if one == two:
        one, two = "the first", "the second"
    return _of_stacks(first, second, one, two)


def _of_stacks(first: Any, second: Any, one: str, two: str) -> list[str]:
    found = []
    for name in ("embedding", "causal", "max_seq_len", "trained_seq_len"):
        found += _of_values(name, getattr(first, name), getattr(second, name), one, two)
    if len(first.layers) != len(second.layers):
        found.append(f"{len(first.layers)} layers in {one}, {len(second.layers)} in {two}")
    layers_with: dict[str, list[int]] = {}
    pairs = list(zip(first.layers, second.layers, strict=False))
    for layer, (mine, theirs) in enumerate(pairs):
        for sentence in _of_layers(mine, theirs, one, two):
            layers_with.setdefault(sentence, []).append(layer)
    found += [
        f"{which_layers(layers, len(pairs))}: {sentence}"
        for sentence, layers in layers_with.items()
    ]
    mine, theirs = ({tower.model: tower for tower in spec.towers} for spec in (first, second))
    for name in [*mine, *(name for name in theirs if name not in mine)]:
        if name in mine and name in theirs:
            inner = _of_stacks(mine[name], theirs[name], one, two)
            found += [f"{name}, {sentence}" for sentence in inner]
        else:
            found.append(f"only {one if name in mine else two} has a tower {name}")
    return found


def _of_layers(first: Any, second: Any, one: str, two: str) -> list[str]:
    found = []
    mine, theirs = ([NAMES[type(e)] for e in layer.encodings] for layer in (first, second))
    if mine != theirs:
        found.append(f"{_listed(mine)} in {one}, {_listed(theirs)} in {two}")
    else:
        for name, a, b in zip(mine, first.encodings, second.encodings, strict=True):
            found += _of_fields(name, a, b, one, two)
    for name in ("window", "chunk", "score_scale", "values", "indexer"):
        found += _of_values(name, getattr(first, name), getattr(second, name), one, two)
    return found


def _of_values(path: str, first: Any, second: Any, one: str, two: str) -> list[str]:
    if first == second:
        return []
    if dataclasses.is_dataclass(first) and type(first) is type(second):
        return _of_fields(path, first, second, one, two)
    if _is_long(first) and _is_long(second) and len(first) == len(second):
        unlike = [at for at, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
        at = unlike[0]
        return [
            f"{path} differs in {len(unlike)} of {len(first)} places, first at {at}: "
            f"{_shown(first[at])} in {one}, {_shown(second[at])} in {two}"
        ]
    return [f"{path} is {_shown(first)} in {one}, {_shown(second)} in {two}"]


def _of_fields(path: str, first: Any, second: Any, one: str, two: str) -> list[str]:
    found = []
    for field in dataclasses.fields(first):
        if field.init:
            values = (getattr(first, field.name), getattr(second, field.name))
            found += _of_values(f"{path}.{field.name}", *values, one, two)
    return found


def _is_long(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > _SHORT_LIST


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if _is_long(value):
        return f"a list of {len(value)}"
    if dataclasses.is_dataclass(value):
        given = ", ".join(
            f"{field.name}={_shown(getattr(value, field.name))}"
            for field in dataclasses.fields(value)
            if field.init and getattr(value, field.name) != field.default
        )
        return f"{NAMES.get(type(value), type(value).__name__)}({given})"
    return repr(value)


def _listed(names: list[str]) -> str:
    return " and ".join(names) or "no encoding"

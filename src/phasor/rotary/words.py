"""What `repr` and reports say of frequencies, pairs and scalings."""

import dataclasses

import torch

from phasor._words import number
from phasor.errors import ArgumentError
from phasor.rotary.axes import ORDERS, axis_of_each_pair
from phasor.rotary.frequencies import Frequencies, geometric
from phasor.rotary.layout import Layout
from phasor.rotary.scaling import BY_NAME

_SHORT_LIST = 4


def in_words(frequencies: Frequencies) -> str:
    """Axes and their sections, the ends of a progression that is not the base's, and the gains."""
    words = _axes(frequencies)
    whole = frequencies.inv_freq.sum(0)
    usual = None
    if frequencies.base is not None:
        usual = geometric(frequencies.rotary_dim, frequencies.base).inv_freq[0]
    if usual is None or not torch.equal(whole, usual):
        words.append(f"inv_freq=[{whole[0]:.6g}, ..., {whole[-1]:.6g}]")
    for name in ("attention_scale", "softmax_scale"):
        gain = getattr(frequencies, name)
        if gain != 1.0:
            words.append(f"{name}={gain:.6g}")
    return "".join(f", {word}" for word in words)


def _axes(frequencies: Frequencies) -> list[str]:
    if frequencies.axes == 1:
        return []
    turns = frequencies.inv_freq != 0
    falls = bool((frequencies.inv_freq.sum(0).diff() < 0).all())
    # One progression, each pair of it on one axis: blocks of several are no sections.
    if not falls or not bool((turns.sum(0) == 1).all()):
        return [f"axes={frequencies.axes}"]
    sizes, owner = tuple(turns.sum(1).tolist()), turns.int().argmax(0).tolist()
    words = [f"sections={sizes}"]
    for order in ORDERS:
        try:
            fits = axis_of_each_pair(sizes, order) == owner
        except ArgumentError:
            continue
        if fits:
            words.append(f"order={order!r}")
            break
    return words


def pairing(layout: Layout, half: int) -> str:
    """Which channels form a pair."""
    return f"i with i + {half}" if layout == "half" else "2i with 2i + 1"


def scaling_in_words(scaling: object) -> str:
    """The scaling and every number of it that is not its default."""
    names: dict[type, str] = {kind: name for name, kind in BY_NAME.items()}
    name = names.get(type(scaling), getattr(scaling, "__name__", repr(scaling)))
    if type(scaling) not in names:
        return name
    given = [
        f"{field.name} {_value(getattr(scaling, field.name))}"
        for field in dataclasses.fields(scaling)  # type: ignore[arg-type]
        if field.init and getattr(scaling, field.name) != field.default
    ]
    return f"{name} ({', '.join(given)})" if given else name


def _value(value: object) -> str:
    if isinstance(value, tuple) and len(value) > _SHORT_LIST:
        return f"[{number(value[0])} ... {number(value[-1])}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return str(value).lower() if isinstance(value, bool) else str(value)

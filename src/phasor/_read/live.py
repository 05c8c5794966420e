"""Rotary tables of a live model in place of those of its config, where the two differ.

What a model turns by is kept in buffers that are made when it is: of a config that is changed later
they know nothing, a cast of the model rounds them, and `to_empty` leaves memory as it was found.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from phasor._read.notes import Notes
from phasor._read.stored import with_frequencies
from phasor.rotary.scaling import BY_ROPE_TYPE, LengthScaling
from phasor.spec import PositionSpec, RotarySpec

_SAME, _ROUNDED = 1e-5, 1e-2
"""Relative errors: of float32 on another device, and of half precision."""

_BUFFER = "inv_freq"
_BY_LENGTH = [name for name, kind in BY_ROPE_TYPE.items() if issubclass(kind, LengthScaling)]


def with_live(spec: PositionSpec, model: nn.Module, notes: Notes) -> PositionSpec:
    """The spec with the frequencies that a model holds, if all of its layers turn alike.

    Each rotary module is made anew from the config, and its tables compared. Frequencies that are
    those of the config up to rounding change nothing in the spec, and are noted.

    Args:
        spec: Of the model's config.
        model: Which may be on the meta device: then there is nothing to compare.
        notes: Where to say so.

    Raises:
        ArgumentError: Frequencies that are no numbers; if strict, others than those of the config
            in a model whose layers differ.
    """
    tables = {name: module for name, module in model.named_modules() if _has_tables(module)}
    found = [
        (name, module, fresh)
        for name, module in tables.items()
        if (fresh := _made_anew(name, module, model, notes, alone=len(tables) == 1)) is not None
    ]
    reasons = [reason for each in found for reason in _differences(*each, notes)]
    if not reasons:
        return spec
    numbers = _numbers(spec, found)
    if numbers is None:
        notes.doubt(f"{reasons[0]}; which layers turn by it is not known")
        return spec
    notes.note(f"{reasons[0]}; the spec has what the model holds")
    return with_frequencies(spec, *numbers)


def _has_tables(module: nn.Module) -> bool:
    buffers = [buffer for _, buffer in _tables(module)]
    return hasattr(module, "config") and bool(buffers) and not any(b.is_meta for b in buffers)


def _made_anew(
    name: str, module: Any, model: Any, notes: Notes, *, alone: bool
) -> nn.Module | None:
    """The module as the config makes it; `None` where that fails."""
    config = module.config
    if alone and type(config) is type(model.config):  # which may have been put in its place
        config = model.config
    try:
        with torch.device("cpu"):
            return type(module)(config)
    except Exception as error:  # a constructor of any kind
        notes.note(f"{name} was not compared with the config, which does not make it: {error}")
        return None


def _tables(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, buffer in module.named_buffers(recurse=False):
        if name.endswith(_BUFFER):
            yield name, buffer


def _differences(where: str, module: Any, fresh: Any, notes: Notes) -> Iterator[str]:
    kinds = [getattr(each, "rope_type", None) for each in (module, fresh)]
    if kinds[0] != kinds[1]:
        yield f"{where} was made for rope_type {kinds[0]!r}, and the config says {kinds[1]!r}"
    wanted = dict(_tables(fresh))
    for name, buffer in _tables(module):
        if _moves(module) != ("original" in name):
            continue  # where frequencies follow the longest input, the first ones are kept apart
        mine, theirs = buffer.detach().cpu().double(), wanted[name].double()
        if not mine.isfinite().all():
            raise notes.wrong(
                f"{where}.{name} of the model holds numbers that are not finite, as to_empty() "
                "leaves them; load the model with from_pretrained, which computes them"
            )
        if mine.shape != theirs.shape:
            yield f"{where}.{name} has {len(mine)} frequencies, and the config {len(theirs)}"
        elif torch.allclose(mine, theirs, rtol=_SAME, atol=0):
            continue
        elif torch.allclose(mine, theirs, rtol=_ROUNDED, atol=0):
            off = (mine / theirs - 1).abs().nan_to_num().max().item()
            notes.note(
                f"{where}.{name} is rounded to {str(buffer.dtype).removeprefix('torch.')}, up to "
                f"{100 * off:.2g} % off the frequencies of the config, which the spec has: casting "
                "a model casts them, from_pretrained(dtype=...) does not"
            )
        else:
            yield f"{where}.{name} of the model is not what its config says"
    for name, gain in vars(fresh).items():
        if name.endswith("attention_scaling") and getattr(module, name, gain) != gain:
            yield f"{where}.{name} is {getattr(module, name)}, and the config says {gain}"


def _moves(module: Any) -> bool:
    return any(kind in str(getattr(module, "rope_type", "")) for kind in _BY_LENGTH)


def _numbers(
    spec: PositionSpec, found: list[tuple[str, Any, Any]]
) -> tuple[list[float], float] | None:
    """The frequencies and the gain of all layers; `None` where there may be several, or others."""
    rotaries = [
        {each for layer in stack.layers for each in layer.encodings if isinstance(each, RotarySpec)}
        for stack in (spec, *spec.towers)
    ]
    if len(rotaries[0]) != 1 or any(rotaries[1:]) or len(found) != 1:
        return None
    (_, module, fresh), (rotary,) = found[0], rotaries[0]
    if _moves(module) or not hasattr(fresh, _BUFFER):
        return None
    built = rotary.build()
    built = built.at(1) if built.length_scaling is not None else built
    expected, mine, theirs = (
        numbers.detach().cpu().double()
        for numbers in (built.frequencies.inv_freq.sum(0), module.inv_freq, fresh.inv_freq)
    )
    if mine.shape != expected.shape or theirs.shape != expected.shape:
        return None
    if not torch.allclose(theirs, expected, rtol=1e-4, atol=0):  # turned backwards, or shared out
        return None
    return mine.tolist(), float(getattr(module, "attention_scaling", 1.0))

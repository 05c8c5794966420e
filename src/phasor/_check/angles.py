"""A model's angles against exact ones, from a thousand tokens to a million."""

from collections.abc import Sequence

import torch
from torch import nn

from phasor._check.result import Result
from phasor._check.tables import Table, copied, excess
from phasor._words import number
from phasor.rotary import Frequencies
from phasor.spec import PositionSpec, RotarySpec

POSITIONS = (1_000, 4_000, 16_000, 64_000, 250_000, 1_000_000)


def check_angles(spec: PositionSpec, tables: Sequence[Table], name: str = "angles") -> Result:
    """Every rotary encoding of the spec must be made by one of the model's tables."""
    rotaries = distinct_rotaries(spec)
    if not rotaries:
        return Result(name, "skip", "The spec has no rotary encoding.")
    if not tables:
        return Result(
            name, "skip", "The model called no rotary module; its angles could not be read."
        )
    worst = dict.fromkeys(POSITIONS, 0.0)
    ratio = 0.0
    for rotary in rotaries:
        try:
            table = min(tables, key=lambda table: _excess(table, rotary, POSITIONS[0])[1])
            for position in POSITIONS:
                error, times = _excess(table, rotary, position)
                worst[position] = max(worst[position], error)
                ratio = max(ratio, times)
        except _UnreadableError as error:
            return Result(name, "fail", f"A rotary module returned {error}.")
    first, last = POSITIONS[0], POSITIONS[-1]
    text = (
        f"Off by {worst[first]:.2g} rad at position {number(first)}, {worst[last]:.2g} at "
        f"{number(last)}: {number(float(f'{ratio:.2g}'))} times what float32 may round away."
    )
    return Result(name, "pass" if ratio <= 1 else "fail", text, measured=ratio, allowed=1.0)


def what_survives(spec: PositionSpec, tables: Sequence[Table]) -> list[Result]:
    """What casting the model and materialising it from meta do to its frequencies."""
    if not tables or not distinct_rotaries(spec):
        return []
    after = check_angles(spec, copied(tables, torch.bfloat16), ".to(bfloat16)")
    kept = after.status == "pass"
    advice = "Load with from_pretrained(dtype=torch.bfloat16) instead."
    results = [
        Result(
            after.name,
            "note",
            f"Its frequencies survive it. {after.text}"
            if kept
            else f"Its frequencies do not survive it. {after.text} {advice}",
            after.measured,
            after.allowed,
        )
    ]
    lost = sorted({name for table in tables for name in _outside_checkpoints(table.module)})
    results.append(
        Result(
            "to_empty() from meta",
            "note",
            f"{', '.join(lost)}: in no checkpoint, so undefined after to_empty() until computed "
            "anew; from_pretrained does that."
            if lost
            else "Nothing about its angles is kept outside the checkpoint.",
        )
    )
    return results


def distinct_rotaries(spec: PositionSpec) -> list[RotarySpec]:
    """The rotary encodings of a spec, each once."""
    found = [e for layer in spec.layers for e in layer.encodings if isinstance(e, RotarySpec)]
    return list({_settled(rotary, 1): rotary for rotary in found}.values())


class _UnreadableError(Exception):
    pass


def _excess(table: Table, rotary: RotarySpec, position: int) -> tuple[float, float]:
    try:
        return excess(table, _settled(rotary, position + 1), position)
    except ValueError as error:
        raise _UnreadableError(str(error)) from None


def _settled(rotary: RotarySpec, length: int) -> Frequencies:
    return rotary.build().at(length).frequencies


def _outside_checkpoints(module: nn.Module) -> list[str]:
    stored = set(module.state_dict())
    return [name for name, _ in module.named_buffers() if name not in stored]

"""The tables of cos and sin that a live model makes, read by calling its own rotary modules."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from phasor.rotary import Frequencies
from phasor.rotary.phase import angles


@dataclass(frozen=True)
class Table:
    """How a model called one of its rotary modules: enough to call it for other positions.

    Args:
        name: Of the module within the model.
        module: The module.
        arguments: Positional ones of the call.
        keywords: Of the call.
    """

    name: str
    module: nn.Module
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def at(self, position: int, pairs: int) -> tuple[Tensor, Tensor]:
        """Angle and gain of every pair at one position, in float64.

        Raises:
            ValueError: The module returns nothing that looks like cos and sin of so many pairs.
        """

        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            if value.is_floating_point():
                # Modules round their tables to the dtype of what is to be turned.
                return value.float()
            return torch.full((*value.shape[:-1], 1), position, device=value.device)

        with torch.no_grad():
            found = self.module(
                *map(moved, self.arguments), **{k: moved(v) for k, v in self.keywords.items()}
            )
        return angles_and_gains(found, pairs)


@contextmanager
def captured_tables(model: nn.Module) -> Iterator[list[Table]]:
    """Within it, each distinct call of a rotary module is added to the list."""
    tables: list[Table] = []
    handles = []

    def hook(name: str) -> Callable[..., None]:
        def remember(
            module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
        ) -> None:
            plain = [value for value in (*arguments, *keywords.values()) if isinstance(value, str)]
            key = (name, tuple(plain))
            if key not in seen:
                seen.add(key)
                tables.append(Table(name, module, arguments, dict(keywords)))

        return remember

    seen: set[tuple[str, tuple[str, ...]]] = set()
    for name, module in model.named_modules():
        if is_rotary(module):
            handles.append(module.register_forward_pre_hook(hook(name), with_kwargs=True))
    try:
        yield tables
    finally:
        for handle in handles:
            handle.remove()


def copied(tables: Sequence[Table], dtype: torch.dtype | None = None) -> list[Table]:
    """The same with modules of their own, cast to `dtype`: some keep a state between calls."""
    modules = {id(table.module): copy.deepcopy(table.module).to(dtype=dtype) for table in tables}
    return [replace(table, module=modules[id(table.module)]) for table in tables]


def is_rotary(module: nn.Module) -> bool:
    """Whether a module of transformers makes tables of cos and sin."""
    return "RotaryEmbedding" in type(module).__name__


def angles_and_gains(found: Any, pairs: int) -> tuple[Tensor, Tensor]:
    """From what a rotary module returned at one position: `[pairs]` each.

    Knows complex numbers, and cos and sin of pairs, of pairs in two halves, or of pairs side by
    side.
    """
    if isinstance(found, Tensor) and found.is_complex():
        numbers = found.reshape(-1).to(torch.complex128)
        if numbers.numel() != pairs:
            raise ValueError(f"{numbers.numel()} complex numbers for {pairs} pairs")
        return numbers.angle(), numbers.abs()
    if not (isinstance(found, tuple) and len(found) == 2):
        raise ValueError(f"a {type(found).__name__} instead of cos and sin")
    cos, sin = (part.reshape(-1, part.shape[-1])[0].double() for part in found)
    if len(cos) == 2 * pairs:
        halves = torch.equal(cos[:pairs], cos[pairs:]) and torch.equal(sin[:pairs], sin[pairs:])
        cos, sin = (part[:pairs] if halves else part[::2] for part in (cos, sin))
    if len(cos) != pairs:
        raise ValueError(f"{len(cos)} cosines for {pairs} pairs")
    return torch.atan2(sin, cos), torch.hypot(sin, cos)


def excess(table: Table, frequencies: Frequencies, position: int) -> tuple[float, float]:
    """How wrong a table is at a position.

    Returns:
        The worst error of an angle in radians, or of a gain if that is worse; and the same as a
        multiple of what float32 may round away: over 1 is a mistake.
    """
    flat = frequencies.with_inv_freq(frequencies.inv_freq.sum(0, keepdim=True))
    angle, gain = table.at(position, flat.pairs)
    apart = (angle.cpu() - angles(torch.tensor(position, device="cpu"), flat)).remainder(
        2 * math.pi
    )
    error = torch.minimum(apart, 2 * math.pi - apart)
    # The exponent, the power, the division and the product are rounded; the sum of their bounds.
    rounding = position * flat.inv_freq[0].abs() * 2.0**-20 + 2.0**-20
    off = (gain.cpu() / flat.attention_scale - 1).abs()
    worst = float(torch.maximum(error, off).max())
    return worst, float(torch.maximum(error / rounding, off / 2.0**-20).max())

"""Rotations as other people's code applies them, against golden angles."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.testing.golden import GoldenRotary
from phasor.testing.tables import CosSin, call

Apply = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
PairLayout = Literal["half", "interleaved"]

_LAYOUTS: tuple[PairLayout, ...] = ("half", "interleaved")
_ROUNDING = 2.0**-19


def check_rotation(
    case: GoldenRotary, cos_sin: CosSin, apply: Apply, *, layout: PairLayout = "half"
) -> str | None:
    """Compare a query and a key turned by `apply` with the golden rotation.

    Args:
        case: Which angles; the tables are made by `cos_sin`.
        cos_sin: See `check_tables`.
        apply: From query `[1, 4, tokens, head_dim]`, key `[1, 2, tokens, head_dim]`, cos and sin,
            to query and key turned: in the leading channels, where not all of them turn.
        layout: Which channels form a pair: `"half"`, i and i + d/2, or `"interleaved"`, 2i and
            2i + 1.

    Returns:
        What is wrong, in a sentence; `None` if nothing is.

    Raises:
        ArgumentError: `apply` returned something else, or an unknown layout.
    """
    if layout not in _LAYOUTS:
        raise ArgumentError(f"layout must be one of {list(_LAYOUTS)}, got {layout!r}")
    generator = torch.Generator().manual_seed(0)
    shape = (1, 4, len(case.positions), case.config["head_dim"])
    query = torch.randn(shape, generator=generator, device="cpu")
    key = torch.randn((1, 2, *shape[2:]), generator=generator, device="cpu")
    found = apply(query.clone(), key.clone(), *call(case, cos_sin))
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise ArgumentError(
            f"apply must return the turned query and key, got {type(found).__name__}"
        )
    for name, before, after in zip(("query", "key"), (query, key), found, strict=True):
        if not isinstance(after, Tensor) or after.shape != before.shape:
            shown = list(after.shape) if isinstance(after, Tensor) else type(after).__name__
            raise ArgumentError(f"apply must keep the {name} {list(before.shape)}, got {shown}")
    excess = {name: _excess(case, (query, key), found, name) for name in _LAYOUTS}
    if excess[layout] <= 1:
        return None
    other = next(name for name in _LAYOUTS if name != layout)
    if excess[other] <= 1:
        return f"{case.name}: turns the pairs of the layout {other!r}, not of {layout!r}"
    if _excess(case, (query, key), found, layout, sign=-1) <= 1:
        return f"{case.name}: turns the other way round"
    return f"{case.name}: turned vectors are off by {excess[layout]:.3g} times what is allowed"


def _excess(
    case: GoldenRotary,
    before: tuple[Tensor, Tensor],
    after: tuple[Tensor, Tensor] | list[Tensor],
    layout: PairLayout,
    sign: int = 1,
) -> float:
    positions = torch.tensor(case.positions, dtype=torch.float64, device="cpu")[:, None]
    speeds = torch.tensor(case.inv_freq, dtype=torch.float64, device="cpu")
    allowed = (positions * speeds + 1) * _ROUNDING * case.attention_factor
    worst = 0.0
    for vectors, found in zip(before, after, strict=True):
        expected = _turned(case, vectors.double(), layout, sign)
        apart = (found.detach().cpu().double() - expected).abs().nan_to_num(float("inf"))
        # A channel is off by at most its pair's error times what the pair is long.
        longest = vectors.abs().max().double() * 2
        worst = max(worst, float((apart / (allowed.amax(-1, keepdim=True) * longest)).max()))
    return worst


def _turned(case: GoldenRotary, vectors: Tensor, layout: PairLayout, sign: int) -> Tensor:
    cos, sin = case.cos_sin()
    sin = sign * sin
    width = 2 * case.pairs
    turning, rest = vectors[..., :width], vectors[..., width:]
    if layout == "half":
        first, second = turning[..., : case.pairs], turning[..., case.pairs :]
    else:
        first, second = turning[..., ::2], turning[..., 1::2]
    one, other = first * cos - second * sin, first * sin + second * cos
    if layout == "half":
        return torch.cat([one, other, rest], -1)
    return torch.cat([torch.stack([one, other], -1).flatten(-2), rest], -1)

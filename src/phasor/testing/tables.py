"""Tables of cos and sin, as other people's code makes them, against golden ones."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.testing.golden import GoldenRotary

CosSin = Callable[[dict[str, Any], Tensor], tuple[Tensor, Tensor]]
Tolerance = Literal["float32", "exact"]

# Sixteen units in the last place of float32: the exponent, the power, the division and the product
# are each rounded. A cosine itself is allowed as much.
_ROUNDING = 2.0**-20


@dataclass(frozen=True)
class Deviation:
    """How far tables are from golden ones.

    Args:
        name: Of the case.
        worst: The largest difference of a cosine or sine.
        position: Where that is.
        pair: Which pair of channels it is.
        times: The largest difference as a multiple of what is allowed there: over 1 is wrong.
        speed: How fast the pair that is most off turns, as a multiple of what it should.
        speed_pair: Which that is.
        gain: The gain on cos and sin that was found.
        golden_gain: The one it should be.
    """

    name: str
    worst: float
    position: int
    pair: int
    times: float
    speed: float
    speed_pair: int
    gain: float
    golden_gain: float

    def __str__(self) -> str:
        if self.times <= 1:
            return f"{self.name}: agrees, at {self.times:.2g} of what is allowed"
        parts = [
            f"{self.name}: cos or sin off by up to {self.worst:.3g} (position {self.position}, "
            f"pair {self.pair}), {self.times:.2g} times what is allowed"
        ]
        if abs(self.speed - 1) > 1e-4:
            parts.append(
                f"pair {self.speed_pair} turns {self.speed:.4g} times as fast as it should"
            )
        if abs(self.gain / self.golden_gain - 1) > 1e-5:
            parts.append(f"the gain is {self.gain:.6g} instead of {self.golden_gain:.6g}")
        return "; ".join(parts)


def check_tables(
    case: GoldenRotary, cos_sin: CosSin, *, tolerance: Tolerance = "float32"
) -> Deviation:
    r"""Compare the tables that `cos_sin` makes for a case with the golden ones.

    At position $m$ a pair that turns $\omega$ a token may be off by $(m \omega + 1)\,2^{-20}$ times
    the gain if the tolerance is `"float32"`, and by $2^{-20}$ if it is `"exact"`.

    Args:
        case: Which.
        cos_sin: From a config (a dict as in `config.json`) and positions `[1, tokens]`, int64, to
            cos and sin, each with `tokens` rows of a number for each pair, or of two: in halves or
            side by side.
        tolerance: What rounding to allow.

    Returns:
        How far they are apart.

    Raises:
        ArgumentError: What `cos_sin` returned is no such table, or an unknown tolerance.
    """
    if tolerance not in ("float32", "exact"):
        raise ArgumentError(f"tolerance must be 'float32' or 'exact', got {tolerance!r}")
    cos, sin = found_tables(case, cos_sin)
    golden_cos, golden_sin = case.cos_sin()
    apart = torch.maximum((cos - golden_cos).abs(), (sin - golden_sin).abs())
    apart = apart.nan_to_num(math.inf, math.inf)
    positions = torch.tensor(case.positions, dtype=torch.float64, device="cpu")[:, None]
    speeds = torch.tensor(case.inv_freq, dtype=torch.float64, device="cpu")
    growth = positions * speeds if tolerance == "float32" else torch.zeros_like(apart)
    allowed = (growth + 1) * _ROUNDING * case.attention_factor
    at, pair = divmod(int(apart.argmax()), case.pairs)
    speed, speed_pair = _speed(case, cos, sin)
    return Deviation(
        name=case.name,
        worst=float(apart.max()),
        position=case.positions[at],
        pair=pair,
        times=float((apart / allowed).max()),
        speed=speed,
        speed_pair=speed_pair,
        gain=float(torch.hypot(cos, sin).mean()),
        golden_gain=case.attention_factor,
    )


def found_tables(case: GoldenRotary, cos_sin: CosSin) -> tuple[Tensor, Tensor]:
    """What `cos_sin` makes for a case, as `[positions, pairs]` in float64 on the CPU."""
    found = call(case, cos_sin)
    return tuple(_pairs_of(case, part) for part in found)  # type: ignore[return-value]


def call(case: GoldenRotary, cos_sin: CosSin) -> tuple[Tensor, Tensor]:
    """What `cos_sin` makes for a case, as it makes it."""
    positions = torch.tensor([case.positions], dtype=torch.int64, device="cpu")
    found = cos_sin(copy.deepcopy(case.config), positions)
    is_pair = isinstance(found, tuple | list) and len(found) == 2
    if not is_pair or not all(isinstance(part, Tensor) for part in found):
        raise ArgumentError(
            f"{case.name}: cos and sin must be two tensors, got {type(found).__name__}"
        )
    return found[0], found[1]


def _pairs_of(case: GoldenRotary, table: Tensor) -> Tensor:
    tokens, pairs = len(case.positions), case.pairs
    width = table.shape[-1] if table.ndim else 0
    if table.numel() != tokens * width or width not in (pairs, 2 * pairs):
        raise ArgumentError(
            f"{case.name}: cos and sin must be {tokens} rows of {pairs} or {2 * pairs} numbers, "
            f"got {list(table.shape)}"
        )
    # So that what is undefined is equal to itself, and as wrong as can be.
    rows = table.detach().cpu().double().reshape(tokens, width).nan_to_num(nan=math.inf)
    if width == pairs:
        return rows
    if torch.equal(rows[:, :pairs], rows[:, pairs:]):
        return rows[:, :pairs]
    if torch.equal(rows[:, ::2], rows[:, 1::2]):
        return rows[:, ::2]
    raise ArgumentError(
        f"{case.name}: of {2 * pairs} numbers the two halves must be equal, or neighbours; neither "
        "are"
    )


def _speed(case: GoldenRotary, cos: Tensor, sin: Tensor) -> tuple[float, int]:
    """The speed at position 1, where no angle has gone around, of the pair most off."""
    at = case.positions.index(1)
    golden = torch.tensor(case.inv_freq, dtype=torch.float64, device="cpu")
    turning = golden > 0
    ratio = torch.where(turning, torch.atan2(sin[at], cos[at]) / golden.clamp_min(1e-300), 1.0)
    pair = int(ratio.abs().clamp_min(1e-12).log().abs().nan_to_num(math.inf).argmax())
    return float(ratio[pair]), pair

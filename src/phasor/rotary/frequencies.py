"""The frequencies of a rotary encoding, as data."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from phasor._words import own_in_words
from phasor.errors import ArgumentError, ArgumentTypeError

# 2^192 / (2 pi), rounded. Enough bits for any float64 frequency to become turns without a second
# rounding. Checked against mpmath in tests/rotary/test_phase.py.
_INVERSE_TWO_PI_BITS = 192
_INVERSE_TWO_PI = 0x28BE60DB9391054A7F09D5F47D4D377036D8A5664F10E410
_TURN_BITS = 64


@dataclass(frozen=True, eq=False)
class Frequencies:
    r"""How fast each pair of channels turns, per unit of position along each axis.

    The angle of pair $p$ at position $m$ is $\sum_a m_a\,\omega_{a,p}$.

    Args:
        inv_freq: `[axes, pairs]`, float64 on the CPU, in radians per unit of position.
        base: The constant of the geometric progression, where there is one; called `rope_theta`
            in configs. Some scalings need it; angles come from `inv_freq` alone.
        attention_scale: Gain on cos and sin, and so on the rotated channels of query and key.
        softmax_scale: Gain on the attention logits, on top of $1/\sqrt{d}$: another number, with
            another effect, since it reaches channels that do not turn.

    Attributes:
        turns: `[axes, pairs]`, int64: the same frequencies in turns per unit of position, as
            64-bit binary fractions. A product with an integer position that wraps around drops
            whole turns and nothing else, so angles stay exact at any position.

    Raises:
        ArgumentError: `inv_freq` is not a finite float64 matrix on the CPU, or a gain is not
            positive.

    Two are equal if all their numbers are, to the last bit.
    """

    inv_freq: Tensor
    base: float | None = None
    attention_scale: float = 1.0
    softmax_scale: float = 1.0
    turns: Tensor = field(init=False, repr=False)
    _narrow: Tensor = field(init=False, repr=False)
    _copies: dict[tuple[str, torch.device], Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        inv_freq = self.inv_freq
        if not isinstance(inv_freq, Tensor):
            raise ArgumentTypeError(
                f"inv_freq must be a tensor [axes, pairs], got {type(inv_freq).__name__}; "
                "wrap it: torch.tensor(..., dtype=torch.float64)"
            )
        if inv_freq.ndim != 2 or inv_freq.dtype != torch.float64 or inv_freq.device.type != "cpu":
            raise ArgumentError(
                "inv_freq must be a float64 matrix [axes, pairs] on the CPU, got "
                f"{list(inv_freq.shape)} {inv_freq.dtype} on {inv_freq.device}; "
                "for one axis pass inv_freq.double().cpu()[None]"
            )
        if inv_freq.numel() == 0:
            raise ArgumentError(
                f"inv_freq must have at least one axis and one pair, got {list(inv_freq.shape)}"
            )
        if not bool(inv_freq.isfinite().all()):
            raise ArgumentError("inv_freq must be finite, got inf or nan among its values")
        for name in ("attention_scale", "softmax_scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(f"{name} must be positive, got {getattr(self, name)}")
        fixed = [[_turn_fraction(value) for value in row] for row in inv_freq.tolist()]
        turns = torch.tensor(fixed, dtype=torch.int64, device="cpu").reshape(inv_freq.shape)
        object.__setattr__(self, "turns", turns)
        # Kernels walk along them.
        object.__setattr__(self, "inv_freq", inv_freq.contiguous().resolve_neg())
        object.__setattr__(self, "_narrow", inv_freq.float().contiguous())
        object.__setattr__(self, "_copies", {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frequencies) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        numbers = tuple(map(tuple, self.inv_freq.tolist()))
        return numbers, self.base, self.attention_scale, self.softmax_scale

    def __getstate__(self) -> dict[str, object]:
        # Copies belong to the devices of this process.
        return self.__dict__ | {"_copies": {}}

    def operand(self, positions: Tensor, precision: str = "exact") -> Tensor:
        """The numbers that `positions` are multiplied by, on their device.

        Args:
            positions: Any; their device and whether they are integers is looked at.
            precision: See `phasor.cos_sin`.

        Returns:
            `[axes, pairs]`: `turns` for integers, `inv_freq` for floats, `inv_freq` in float32
            where that precision is asked for. The dtype thus says how an angle is formed.
        """
        if precision == "float32":
            name, numbers = "_narrow", self._narrow
        elif positions.is_floating_point():
            name, numbers = "inv_freq", self.inv_freq
        else:
            name, numbers = "turns", self.turns
        if positions.is_cpu:
            return numbers
        device = positions.device
        copy = self._copies.get((name, device))
        if copy is None:
            copy = numbers.to(device)
            # Kept, so that no layer waits for the device; but never what a trace made up.
            if type(copy) is Tensor and not torch.compiler.is_compiling():
                self._copies[name, device] = copy
        return copy

    def with_inv_freq(self, inv_freq: Tensor) -> "Frequencies":
        """The same gains and base with other frequencies."""
        return replace(self, inv_freq=inv_freq)

    def build(self) -> "Frequencies":
        """These: they are their own rule."""
        return self

    def in_words(self) -> str:
        """As a report has it."""
        return own_in_words(self.attention_scale)

    @property
    def axes(self) -> int:
        """Number of position axes: 1 for text."""
        return self.inv_freq.shape[0]

    @property
    def pairs(self) -> int:
        """Number of rotated channel pairs."""
        return self.inv_freq.shape[1]

    @property
    def rotary_dim(self) -> int:
        """Number of rotated channels."""
        return 2 * self.pairs


def geometric(rotary_dim: int, base: float = 10_000.0) -> Frequencies:
    r"""The frequencies of RoPE and of the sinusoidal encoding, $\omega_p = b^{-2p/d}$.

    Args:
        rotary_dim: Channels that take part, $d$; even.
        base: $b > 0$; called `rope_theta` in configs.

    Returns:
        `Frequencies` with one axis and `rotary_dim / 2` pairs, fastest first.

    Raises:
        ArgumentError: `rotary_dim` is odd or not positive, or `base` is not a positive number.

    Source:
        Su et al. 2021, arXiv:2104.09864, section 3.2.2; Vaswani et al. 2017, arXiv:1706.03762,
        section 3.5, where the same progression drives sin and cos.

    Examples:
        >>> phasor.geometric(8).inv_freq.tolist()
        [[1.0, 0.1, 0.01, 0.001]]
    """
    check_geometric(rotary_dim, base)
    inv_freq = [float(base) ** (-2 * pair / rotary_dim) for pair in range(rotary_dim // 2)]
    return Frequencies(torch.tensor([inv_freq], dtype=torch.float64, device="cpu"), float(base))


def check_geometric(rotary_dim: int, base: float) -> None:
    """Raise unless `geometric` has frequencies for them; none is made."""
    if rotary_dim < 2 or rotary_dim % 2:
        raise ArgumentError(
            f"rotary_dim must be even and at least 2, got {rotary_dim}"
            + (f"; pass rotary_dim={rotary_dim - 1} to leave one channel out" * (rotary_dim > 2))
        )
    if not (math.isfinite(base) and base > 0):
        raise ArgumentError(f"base must be a positive number, got {base}; 10000.0 is usual")


def _turn_fraction(radians: float) -> int:
    """`radians` in turns, without the whole ones, as a signed 64-bit binary fraction."""
    numerator, denominator = radians.as_integer_ratio()
    shift = _INVERSE_TWO_PI_BITS - _TURN_BITS
    # Round half up, in integers of any length: nothing is lost before the one rounding here.
    scaled = numerator * _INVERSE_TWO_PI
    fraction = (scaled + (denominator << shift) // 2) // (denominator << shift)
    fraction %= 1 << _TURN_BITS
    return fraction - (1 << _TURN_BITS) if fraction >= 1 << (_TURN_BITS - 1) else fraction

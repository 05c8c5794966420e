"""Llama 3.1's scaling: by wavelength against the trained length."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.scaling.base import LENGTH_KEY, NamedElsewhere, check_at_least_one, keys


@dataclass(frozen=True, kw_only=True)
class Llama3(NamedElsewhere):
    r"""Long wavelengths are stretched, short ones left alone, as in Llama 3.1.

    A pair of wavelength $\lambda = 2\pi/\omega$ is stretched if $\lambda > L / \mathrm{low}$, left
    alone if $\lambda < L / \mathrm{high}$, and between becomes $(1 - t)\,\omega / s + t\,\omega$
    with $t = (L/\lambda - \mathrm{low}) / (\mathrm{high} - \mathrm{low})$.

    Args:
        factor: $s \ge 1$; 8 in Llama 3.1, 32 in Llama 3.2.
        low_freq_factor: Turns in the trained length up to which a pair is fully stretched.
        high_freq_factor: Turns from which on it is left alone; if equal to `low_freq_factor`,
            nothing lies between (Llama 4 Scout, with 1 and 1).
        original_seq_len: $L$, the trained length in tokens.

    Raises:
        ArgumentError: A number out of its range.

    Source:
        Meta's llama-models, `apply_scaling`; Grattafiori et al. 2024, arXiv:2407.21783, names the
        base alone. `rope_type: "llama3"` in configs.

    Examples:
        >>> frequencies = phasor.geometric(128, base=500_000.0)
        >>> slower = frequencies.inv_freq / phasor.scaling.llama3(factor=8)(frequencies).inv_freq
        >>> slower[0, 0].item(), round(slower[0, -1].item(), 9)
        (1.0, 8.0)
    """

    formula: ClassVar = (
        "ω′ₚ = (1 − t) ωₚ / factor + t ωₚ;  "
        "t from 0 at low_freq_factor turns in L to 1 at high_freq_factor"
    )
    rope_type: ClassVar = "llama3"
    rope_keys: ClassVar = keys(
        "factor", "low_freq_factor", "high_freq_factor", **{LENGTH_KEY: "original_seq_len"}
    )
    rope_needs: ClassVar = tuple(rope_keys)

    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_seq_len: int = 8192

    def __post_init__(self) -> None:
        check_at_least_one("factor", self.factor)
        check_at_least_one("original_seq_len", self.original_seq_len)
        if not 0 < self.low_freq_factor <= self.high_freq_factor < math.inf:
            raise ArgumentError(
                "high_freq_factor must be at least low_freq_factor, and both positive, got "
                f"high_freq_factor={self.high_freq_factor} and "
                f"low_freq_factor={self.low_freq_factor}; 4 and 1 are usual"
            )

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        inv_freq = frequencies.inv_freq
        turns = self.original_seq_len * inv_freq / (2 * math.pi)
        band = self.high_freq_factor - self.low_freq_factor
        above = turns - self.low_freq_factor
        blend = (above / band).clamp(0, 1) if band else (above > 0).double()
        return replace(
            frequencies, inv_freq=(1 - blend) * inv_freq / self.factor + blend * inv_freq
        )

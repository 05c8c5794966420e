"""Resonance RoPE: wavelengths of whole tokens."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies


@dataclass(frozen=True, kw_only=True)
class Resonance:
    r"""Wavelengths are rounded to whole tokens, $\omega'_p = 2\pi / [2\pi / \omega_p]$.

    A pair then repeats exactly, so beyond the trained length it meets no angle that it has not met
    within, if its wavelength is shorter. Applied last: after YaRN it gives Resonance YaRN. Pairs
    that stand still keep doing so.

    Raises:
        ArgumentError: When called, a pair turns more than twice in a token: its wavelength would be
            rounded to nothing.

    Source:
        Wang et al. 2024, arXiv:2403.00071, and the authors' code, which rounds halves
        to even.

    Examples:
        >>> whole = phasor.scaling.resonance()(phasor.geometric(6, base=1000.0))
        >>> [round(2 * torch.pi / value, 9) for value in whole.inv_freq[0].tolist()]
        [6.0, 63.0, 628.0]
    """

    formula: ClassVar = "ω′ₚ = 2π / round(2π / ωₚ)"

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        inv_freq = frequencies.inv_freq
        turning = inv_freq != 0
        wavelengths = (2 * math.pi / inv_freq[turning]).round()
        if not bool(wavelengths.all()):
            raise ArgumentError(
                "resonance needs wavelengths of at least one token, got frequencies up to "
                f"{inv_freq.abs().max().item():.4g} radians per token"
            )
        return frequencies.with_inv_freq(
            torch.zeros_like(inv_freq).masked_scatter(turning, 2 * math.pi / wavelengths)
        )

"""HoPE: pairs too slow to come round within the trained length stand still."""

import math
from dataclasses import dataclass
from typing import ClassVar

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies


@dataclass(frozen=True, kw_only=True)
class DropSlow:
    r"""Pairs that do not turn once within the trained length stand still (HoPE).

    $\omega'_p = \omega_p$ where $\omega_p \ge 2\pi/L$, else 0. The channels of the others then say
    what a token is and not where; beyond $L$ no pair meets an angle that it has not met within.

    Args:
        original_seq_len: $L$, in tokens, of the sequences in training.

    Raises:
        ArgumentError: `original_seq_len` is not a positive number; when called, no pair turns once
            within it.

    Source:
        Chen et al. 2024, arXiv:2410.21216 (high-frequency rotary position encoding). The authors
        have published no code; the bound is that of others' descriptions of the paper, and FoPE's
        (arXiv:2412.17739).

    Examples:
        >>> high = phasor.scaling.drop_slow(original_seq_len=512)
        >>> high(phasor.geometric(8)).inv_freq.tolist()
        [[1.0, 0.1, 0.0, 0.0]]
    """

    formula: ClassVar = "ω′ₚ = ωₚ where ωₚ ≥ 2π / L, else 0"

    original_seq_len: float

    def __post_init__(self) -> None:
        if not 0 < self.original_seq_len < math.inf:
            raise ArgumentError(
                f"original_seq_len must be positive, got {self.original_seq_len}; "
                "pass the length of sequences in training"
            )

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        slow = frequencies.inv_freq.abs() < 2 * math.pi / self.original_seq_len
        if bool(slow.all()):
            raise ArgumentError(
                f"no pair turns once within original_seq_len={self.original_seq_len}, so that none "
                "would know its position; pass the length of sequences in training"
            )
        return frequencies.with_inv_freq(frequencies.inv_freq.masked_fill(slow, 0.0))

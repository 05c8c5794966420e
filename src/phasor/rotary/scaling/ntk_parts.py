"""NTK-by-parts as its authors first wrote it: between interpolation, NTK and neither."""

from dataclasses import dataclass, replace
from typing import ClassVar

from phasor.rotary.frequencies import Frequencies
from phasor.rotary.scaling.base import check_at_least_one, check_one_axis
from phasor.rotary.scaling.uniform import NTK
from phasor.rotary.scaling.yarn_ramp import ramp_over_pairs


@dataclass(frozen=True, kw_only=True)
class NTKByParts:
    r"""The slowest pairs are stretched, the middle ones scaled as by `NTK`, fast ones left alone.

    Interpolated and NTK-scaled frequencies are blended between the pairs that turn 1.25 and 0.75
    times in the trained length, and the result with the original frequencies between those that
    turn 16 and 2 times; the ramps are those of `YaRN`.

    The YaRN paper gives the name to something else, in its section 3.2: one ramp between
    stretching and leaving alone, linear in the turns, from 1 to 32. That is `llama3` with
    `low_freq_factor=1` and `high_freq_factor=32`.

    Args:
        factor: $s \ge 1$, by which the context grows.
        original_seq_len: $L$, the trained length in tokens.

    Raises:
        ArgumentError: A number less than 1; when called, frequencies without a base, of several
            axes or of fewer than two pairs.

    Source:
        `LlamaPartNTKScaledRotaryEmbedding` in jquesnelle's yarn repository.

    Examples:
        >>> frequencies = phasor.geometric(128)
        >>> parts = phasor.scaling.ntk_by_parts(factor=8, original_seq_len=2048)(frequencies)
        >>> slower = frequencies.inv_freq / parts.inv_freq
        >>> slower[0, 0].item(), round(slower[0, -1].item(), 9)
        (1.0, 8.0)
    """

    formula: ClassVar = "ω′ₚ goes from ωₚ for fast pairs over ntk's to ωₚ / factor for slow ones"

    factor: float
    original_seq_len: int

    def __post_init__(self) -> None:
        check_at_least_one("factor", self.factor)
        check_at_least_one("original_seq_len", self.original_seq_len)

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        check_one_axis("ntk_by_parts", frequencies)
        original = frequencies.inv_freq
        ntk = NTK(factor=self.factor)(frequencies).inv_freq
        stretch = ramp_over_pairs(frequencies, self.original_seq_len, fast=1.25, slow=0.75)
        scaled = ntk * (1 - stretch) + original / self.factor * stretch
        change = ramp_over_pairs(frequencies, self.original_seq_len, fast=16.0, slow=2.0)
        return replace(frequencies, inv_freq=original * (1 - change) + scaled * change)

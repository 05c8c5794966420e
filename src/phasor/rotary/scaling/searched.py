"""LongRoPE: a searched factor for each pair, and another list of them for long sequences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.scaling.base import LENGTH_KEY, NamedInGGUF, check_at_least_one, keys

FREQS, LONG, SHORT = "rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"
"""What GGUF files call the factors of `Stretch` and the two lists of `LongRoPE`."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    r"""Each pair turns slower by a factor of its own, $\omega'_p = \omega_p / \lambda_p$.

    Args:
        factors: $\lambda_p$, one for each pair, positive.
        attention_factor: Gain on cos and sin.

    Raises:
        ArgumentError: A factor that is not positive; when called, another number of pairs.

    Source:
        Ding et al. 2024, arXiv:2402.13753: one of the two lists of LongRoPE.
    """

    formula: ClassVar = "ω′ₚ = ωₚ / factors[p]"

    factors: tuple[float, ...]
    attention_factor: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        if not all(0 < factor < math.inf for factor in self.factors):
            raise ArgumentError(f"factors must be positive, got {list(self.factors)}")
        if not 0 < self.attention_factor < math.inf:
            raise ArgumentError(f"attention_factor must be positive, got {self.attention_factor}")

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        if len(self.factors) != frequencies.pairs:
            raise ArgumentError(
                f"there must be one factor for each pair, got {len(self.factors)} factors for "
                f"{frequencies.pairs} pairs"
            )
        factors = torch.tensor(self.factors, dtype=torch.float64, device="cpu")
        return replace(
            frequencies,
            inv_freq=frequencies.inv_freq / factors,
            attention_scale=frequencies.attention_scale * self.attention_factor,
        )


@dataclass(frozen=True, kw_only=True)
class LongRoPE(NamedInGGUF):
    r"""One searched factor per pair, from one list within the trained length and another past it.

    Args:
        short_factor: $\lambda_p$ for sequences of up to `original_seq_len` tokens.
        long_factor: $\lambda_p$ for longer ones.
        original_seq_len: $L$, the trained length in tokens.
        factor: $s$, the longest length over $L$; gives the gain $\sqrt{1 + \ln s / \ln L}$ on cos
            and sin. Configs often state the two lengths instead.
        short_attention_factor: The gain for short sequences, in place of that from `factor`
            (`short_mscale` in configs).
        long_attention_factor: The gain for long ones (`long_mscale`).

    Raises:
        ArgumentError: A number out of its range, or neither `factor` nor both gains.

    Source:
        Ding et al. 2024, arXiv:2402.13753; Phi-3's published code. `rope_type: "longrope"`, earlier
        `"su"`. When to switch is the caller's choice here: engines differ (per step, per batch, by
        the configured maximum), and keys cached under one list do not fit the other.

    Examples:
        >>> longrope = phasor.scaling.longrope(
        ...     short_factor=[1, 1], long_factor=[1, 4], original_seq_len=4096, factor=32
        ... )
        >>> longrope.at(4096).factors, longrope.at(4097).factors
        ((1, 1), (1, 4))
    """

    formula: ClassVar = "ω′ₚ = ωₚ / short_factor[p] up to L tokens, ωₚ / long_factor[p] past them"
    rope_type: ClassVar = "longrope"
    rope_keys: ClassVar = keys(
        *("short_factor", "long_factor", "factor"),
        **{"attention_factor": "short_attention_factor", LENGTH_KEY: "original_seq_len"},
    )
    rope_needs: ClassVar = ("short_factor", "long_factor", LENGTH_KEY)
    unnamed: ClassVar = ("short_attention_factor", "long_attention_factor")
    gguf_type: ClassVar = "longrope"
    gguf_keys: ClassVar = {"rope.scaling.original_context_length": "original_seq_len"}

    short_factor: Sequence[float]
    long_factor: Sequence[float]
    original_seq_len: int
    factor: float | None = None
    short_attention_factor: float | None = None
    long_attention_factor: float | None = None
    _gains: tuple[float, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_at_least_one("original_seq_len", self.original_seq_len)
        object.__setattr__(self, "short_factor", tuple(self.short_factor))
        object.__setattr__(self, "long_factor", tuple(self.long_factor))
        if len(self.short_factor) != len(self.long_factor):
            raise ArgumentError(
                "short_factor and long_factor must have one number for each pair, got "
                f"{len(self.short_factor)} and {len(self.long_factor)}"
            )
        given = (self.short_attention_factor, self.long_attention_factor)
        if self.factor is None and None in given:
            raise ArgumentError(
                "longrope needs factor, from which the gain is computed, or both "
                "short_attention_factor and long_attention_factor; factor is the longest length "
                "over original_seq_len"
            )
        if self.factor is not None and not 0 < self.factor < math.inf:
            raise ArgumentError(f"factor must be positive, got {self.factor}")
        usual = 1.0
        if self.factor is not None and self.factor > 1:
            if self.original_seq_len == 1:
                raise ArgumentError(
                    "original_seq_len must be at least 2, so that factor gives a gain, got 1"
                )
            usual = math.sqrt(1 + math.log(self.factor) / math.log(self.original_seq_len))
        short, long = (usual if gain is None else gain for gain in given)
        object.__setattr__(self, "_gains", (short, long))
        self.short(), self.long()  # so that what cannot work fails where it is written down

    def to_hf(self) -> dict[str, Any]:
        """As the others: one gain as `attention_factor`, two as Phi-3.5-MoE names them."""
        found = super().to_hf()
        short, long = self._gains
        if (self.short_attention_factor, self.long_attention_factor) == (None, None):
            return found
        if short == long:
            return found | {"attention_factor": short}
        return found | {"short_mscale": short, "long_mscale": long}

    @classmethod
    def from_hf(
        cls, parameters: Mapping[str, Any], *, max_position_embeddings: int | None = None
    ) -> Self:
        """As the others; a gain that is stated replaces that from `factor`."""
        given, short = dict(parameters), parameters.get("short_mscale")
        gain = parameters.get("attention_factor")
        if gain is None and short is None:
            return super().from_hf(given, max_position_embeddings=max_position_embeddings)
        return cls(
            short_factor=given["short_factor"],
            long_factor=given["long_factor"],
            original_seq_len=given[LENGTH_KEY],
            short_attention_factor=gain if short is None else short,
            long_attention_factor=gain if short is None else given["long_mscale"],
        )

    def at(self, seq_len: int) -> Stretch:
        """The list for sequences of `seq_len` tokens."""
        return self.short() if seq_len <= self.original_seq_len else self.long()

    def short(self) -> Stretch:
        """The list for short sequences."""
        return Stretch(factors=tuple(self.short_factor), attention_factor=self._gains[0])

    def long(self) -> Stretch:
        """The list for long sequences."""
        return Stretch(factors=tuple(self.long_factor), attention_factor=self._gains[1])

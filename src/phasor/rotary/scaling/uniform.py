"""Scalings that treat all pairs alike: position interpolation and NTK-aware bases."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.scaling.base import (
    LENGTH_KEY,
    NamedElsewhere,
    NamedInGGUF,
    check_at_least_one,
    check_one_axis,
)


@dataclass(frozen=True, kw_only=True)
class Linear(NamedInGGUF):
    r"""Position interpolation: every pair turns `factor` times slower, $\omega' = \omega / s$.

    Args:
        factor: $s \ge 1$, by which the context grows.

    Raises:
        ArgumentError: `factor` is less than 1.

    Source:
        Chen et al. 2023, arXiv:2306.15595, equation 4. `rope_type: "linear"` in configs.

    Examples:
        >>> phasor.scaling.linear(factor=4)(phasor.geometric(4, base=100.0)).inv_freq.tolist()
        [[0.25, 0.025]]
    """

    formula: ClassVar = "ω′ₚ = ωₚ / factor"
    rope_type: ClassVar = "linear"
    rope_keys: ClassVar = {"factor": "factor"}
    gguf_type: ClassVar = "linear"
    gguf_keys: ClassVar = {"rope.scaling.factor": "factor"}

    factor: float

    def __post_init__(self) -> None:
        check_at_least_one("factor", self.factor)

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        return replace(frequencies, inv_freq=frequencies.inv_freq / self.factor)


@dataclass(frozen=True, kw_only=True)
class NTK:
    r"""NTK-aware scaling: a larger base, $b' = b\,s^{d/(d-2)}$.

    The fastest pair is left alone and the slowest turns `factor` times slower:
    $\omega'_p = \omega_p\,s^{-2p/(d-2)}$, which needs no base and so follows any other scaling.

    Args:
        factor: $s \ge 1$, by which the longest wavelength grows.

    Raises:
        ArgumentError: `factor` is less than 1; when called, fewer than two pairs.

    Source:
        bloc97 2023, "NTK-Aware Scaled RoPE" (r/LocalLLaMA); Peng et al. 2023, arXiv:2309.00071,
        appendix A.1.

    Examples:
        >>> round(phasor.scaling.ntk(factor=8)(phasor.geometric(8)).base)
        160000
    """

    formula: ClassVar = (
        "ω′ₚ = ωₚ · factor^(−2p / (d − 2)),  which is base′ = base · factor^(d / (d − 2))"
    )

    factor: float

    def __post_init__(self) -> None:
        check_at_least_one("factor", self.factor)

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        return _with_base_times(frequencies, self.factor)


@dataclass(frozen=True, kw_only=True)
class NTKAlpha(NamedElsewhere):
    r"""NTK-aware scaling as HunYuan's configs spell it, $b' = b\,\alpha^{d/(d-2)}$.

    Args:
        alpha: $\alpha \ge 1$; what `NTK` calls `factor`. Not the ratio of the contexts.

    Raises:
        ArgumentError: `alpha` is less than 1; when called, fewer than two pairs.

    Source:
        Tencent's HunYuan configs, `rope_scaling: {"type": "dynamic", "alpha": ...}`, which despite
        its type does not depend on the length.
    """

    formula: ClassVar = (
        "ω′ₚ = ωₚ · alpha^(−2p / (d − 2)),  which is base′ = base · alpha^(d / (d − 2))"
    )
    rope_type: ClassVar = "dynamic"
    rope_keys: ClassVar = {"alpha": "alpha"}
    rope_needs: ClassVar = ("alpha",)

    alpha: float

    def __post_init__(self) -> None:
        check_at_least_one("alpha", self.alpha)

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        return _with_base_times(frequencies, self.alpha)


@dataclass(frozen=True, kw_only=True)
class ThetaScale:
    r"""A larger base, $b' = b^{\ln(sL/2\pi) / \ln(L/2\pi)}$.

    The frequency at which a pair turns once in the trained length $L$ becomes that at which it
    turns once in $s L$; slower ones are stretched by more than $s$.

    Args:
        factor: $s \ge 1$, by which the context grows.
        original_seq_len: $L$, the trained length in tokens, at least 7.

    Raises:
        ArgumentError: A number out of its range; when called, frequencies without a base or of
            several axes.

    Source:
        Grok's `theta_scale`, as read from vLLM.

    Examples:
        >>> longer = phasor.scaling.theta_scale(factor=4, original_seq_len=1024)
        >>> round(longer(phasor.geometric(128)).base)
        122647
    """

    formula: ClassVar = "base′ = base^(ln(factor · L / 2π) / ln(L / 2π))"

    factor: float
    original_seq_len: int

    def __post_init__(self) -> None:
        check_at_least_one("factor", self.factor)
        if not 2 * math.pi < self.original_seq_len < math.inf:
            raise ArgumentError(
                f"original_seq_len must be more than 2 pi, got {self.original_seq_len}"
            )

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        check_one_axis("theta_scale", frequencies)
        if frequencies.base is None:
            raise ArgumentError("theta_scale needs frequencies with a base, got base None")
        exponent = math.log(self.factor) / math.log(self.original_seq_len / (2 * math.pi))
        larger = frequencies.base**exponent
        pair = torch.arange(frequencies.pairs, dtype=torch.float64, device="cpu")
        return replace(
            frequencies,
            inv_freq=frequencies.inv_freq * larger ** (-2 * pair / frequencies.rotary_dim),
            base=frequencies.base * larger,
        )


@dataclass(frozen=True, kw_only=True)
class DynamicNTK(NamedElsewhere):
    r"""NTK-aware scaling that grows with the sequence: $b' = b\,(s\ell/L - (s - 1))^{d/(d-2)}$.

    $\ell$ is the length, or $L$ if that is longer: nothing changes within the trained length.

    Args:
        factor: $s \ge 1$.
        original_seq_len: $L$, the trained length in tokens.

    Raises:
        ArgumentError: `factor` is less than 1, or `original_seq_len` less than 1.

    Source:
        emozilla 2023, "Dynamically Scaled RoPE" (r/LocalLLaMA). `rope_type: "dynamic"` in configs.

    Examples:
        >>> grown = phasor.scaling.dynamic_ntk(factor=2, original_seq_len=1024).at(2048)
        >>> grown == phasor.scaling.ntk(factor=3.0)
        True
    """

    formula: ClassVar = (
        "base′ = base · (factor · ℓ / L − (factor − 1))^(d / (d − 2));  ℓ the length, at least L"
    )
    rope_type: ClassVar = "dynamic"
    rope_keys: ClassVar = {"factor": "factor", LENGTH_KEY: "original_seq_len"}
    unnamed: ClassVar = ("original_seq_len",)

    factor: float
    original_seq_len: int

    def __post_init__(self) -> None:
        check_at_least_one("factor", self.factor)
        check_at_least_one("original_seq_len", self.original_seq_len)

    @classmethod
    def from_hf(
        cls, parameters: Mapping[str, Any], *, max_position_embeddings: int | None = None
    ) -> Self:
        """As the others; transformers takes the length from `max_position_embeddings` alone."""
        assert max_position_embeddings is not None
        return cls(factor=parameters["factor"], original_seq_len=max_position_embeddings)

    def at(self, seq_len: int) -> NTK:
        """NTK-aware scaling for sequences of `seq_len` tokens."""
        length = max(seq_len, self.original_seq_len)
        return NTK(factor=self.factor * length / self.original_seq_len - (self.factor - 1))


def _with_base_times(frequencies: Frequencies, factor: float) -> Frequencies:
    dim = frequencies.rotary_dim
    if dim < 4:
        raise ArgumentError(f"NTK-aware scaling needs at least two pairs, got rotary_dim {dim}")
    check_one_axis("ntk", frequencies)
    pair = torch.arange(frequencies.pairs, dtype=torch.float64, device="cpu")
    slower = factor ** (-2 * pair / (dim - 2))
    base = frequencies.base
    return replace(
        frequencies,
        inv_freq=frequencies.inv_freq * slower,
        base=None if base is None else base * factor ** (dim / (dim - 2)),
    )

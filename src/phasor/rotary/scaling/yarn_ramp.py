"""YaRN: pairs are stretched by how often they turn in the trained length."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.rotary.frequencies import Frequencies
from phasor.rotary.scaling.base import (
    LENGTH_KEY,
    NamedInGGUF,
    check_at_least_one,
    check_one_axis,
    keys,
)


@dataclass(frozen=True, kw_only=True)
class YaRN(NamedInGGUF):
    r"""Slow pairs are stretched, fast ones left alone, and blended between (YaRN).

    $\omega'_p = \omega_p\,[(1 - r_p) + r_p / s]$, where the ramp $r_p$ goes linearly in $p$ from 0
    at the pair that turns `beta_fast` times in the trained length to 1 at the one that turns
    `beta_slow` times. The pair that turns $\beta$ times is
    $c(\beta) = d \ln(L / 2\pi\beta) / (2 \ln b)$.

    Args:
        factor: $s \ge 1$, by which the context grows.
        original_seq_len: $L$, the trained length in tokens.
        beta_fast: Turns in the trained length from which on a pair is left alone.
        beta_slow: Turns up to which a pair is fully stretched; if equal to `beta_fast`, the ramp
            takes a pair or none (Kimi K2, with 1 and 1).
        truncate: Round the ends of the ramp outwards to whole pairs. The authors do; gpt-oss does
            not.
        clamp: Where the slow end of the ramp is cut off: `"dim"` at $d - 1$, as the authors and
            transformers do, or `"pairs"` at $d/2 - 1$, as OLMo-core and Keras do. It matters only
            if $L > 2\pi b$.
        blend: `"linear"` as above, or `"geometric"`, $\omega'_p = \omega_p\,s^{-r_p}$, as Grok's
            `yarn_log` has it (with `attention_factor=1`).
        attention_factor: Gain on cos and sin, final; TeleChat3 has $0.07 \ln s + 1$. If `None`:
            $g(s, \mathrm{mscale}) / g(s, \mathrm{mscale\_all\_dim})$ where both are given and
            not 0, else $g(s, 1)$, with $g(s, m) = 0.1\,m \ln s + 1$.
        mscale: As DeepSeek's configs have it.
        mscale_all_dim: As DeepSeek's configs have it.
        scale_softmax: Multiply the softmax scale by $g(s, \mathrm{mscale\_all\_dim})^2$, as
            DeepSeek-V2 and V3 do: a property of the architecture that no config states.

    Raises:
        ArgumentError: A number out of its range; when called, frequencies without a base or of
            several axes.

    Source:
        Peng et al. 2023, arXiv:2309.00071, sections 3.2 to 3.4. Follows the authors' code where it
        differs from the paper: the ramp is linear in the number of the pair, not in its turns.
        `blend="geometric"` and TeleChat3's gain are read from vLLM.

    Examples:
        >>> stretched = phasor.scaling.yarn(factor=8, original_seq_len=4096)(phasor.geometric(128))
        >>> round(stretched.attention_scale, 4)
        1.2079
    """

    formula: ClassVar = (
        "ω′ₚ = ωₚ (1 − rₚ + rₚ / factor);  rₚ from 0 at beta_fast turns in L to 1 at beta_slow"
    )
    rope_type: ClassVar = "yarn"
    rope_keys: ClassVar = keys(
        *("factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"),
        **{LENGTH_KEY: "original_seq_len", "truncate": "truncate"},
    )
    rope_needs: ClassVar = (LENGTH_KEY,)
    unnamed: ClassVar = ("scale_softmax",)
    gguf_type: ClassVar = "yarn"
    gguf_keys: ClassVar = {
        "rope.scaling.factor": "factor",
        "rope.scaling.original_context_length": "original_seq_len",
        "rope.scaling.yarn_beta_fast": "beta_fast",
        "rope.scaling.yarn_beta_slow": "beta_slow",
    }

    factor: float
    original_seq_len: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    clamp: Literal["dim", "pairs"] = "dim"
    blend: Literal["linear", "geometric"] = "linear"
    attention_factor: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    scale_softmax: bool = False

    def __post_init__(self) -> None:
        check_at_least_one("factor", self.factor)
        check_at_least_one("original_seq_len", self.original_seq_len)
        if not 0 < self.beta_slow <= self.beta_fast < math.inf:
            raise ArgumentError(
                f"beta_fast must be at least beta_slow, and both positive, got "
                f"beta_fast={self.beta_fast} and beta_slow={self.beta_slow}; 32 and 1 are usual"
            )
        if self.clamp not in ("dim", "pairs"):
            raise ArgumentError(f"clamp must be 'dim' or 'pairs', got {self.clamp!r}")
        if self.blend not in ("linear", "geometric"):
            raise ArgumentError(f"blend must be 'linear' or 'geometric', got {self.blend!r}")
        if self.attention_factor is not None and not 0 < self.attention_factor < math.inf:
            raise ArgumentError(f"attention_factor must be positive, got {self.attention_factor}")
        if self.scale_softmax and not self.mscale_all_dim:
            raise ArgumentError(
                "scale_softmax needs mscale_all_dim, from which the gain is computed; got "
                f"mscale_all_dim={self.mscale_all_dim}"
            )

    def __call__(self, frequencies: Frequencies) -> Frequencies:
        check_one_axis("yarn", frequencies)
        ramp = ramp_over_pairs(
            frequencies,
            self.original_seq_len,
            fast=self.beta_fast,
            slow=self.beta_slow,
            truncate=self.truncate,
            clamp=self.clamp,
        )
        if self.blend == "geometric":
            slower = self.factor**-ramp
        else:
            slower = (1 - ramp) + ramp / self.factor
        softmax_gain = mscale_gain(self.factor, self.mscale_all_dim or 0.0) ** 2
        return replace(
            frequencies,
            inv_freq=frequencies.inv_freq * slower,
            attention_scale=frequencies.attention_scale * self._attention_gain(),
            softmax_scale=frequencies.softmax_scale * (softmax_gain if self.scale_softmax else 1.0),
        )

    def _attention_gain(self) -> float:
        if self.attention_factor is not None:
            return self.attention_factor
        if self.mscale and self.mscale_all_dim:
            all_dim = mscale_gain(self.factor, self.mscale_all_dim)
            return mscale_gain(self.factor, self.mscale) / all_dim
        return mscale_gain(self.factor)


def ramp_over_pairs(
    frequencies: Frequencies,
    original_seq_len: float,
    *,
    fast: float,
    slow: float,
    truncate: bool = True,
    clamp: Literal["dim", "pairs"] = "dim",
) -> Tensor:
    """From 0 at the pair that turns `fast` times in a length to 1 at that of `slow` turns.

    See `YaRN` for the arguments.
    """
    dim, base = frequencies.rotary_dim, frequencies.base
    if base is None or base <= 1:
        raise ArgumentError(
            f"the ramp of yarn needs a base greater than 1, got frequencies with base {base}"
        )
    low, high = (
        dim * math.log(original_seq_len / (turns * 2 * math.pi)) / (2 * math.log(base))
        for turns in (fast, slow)
    )
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low = max(low, 0)
    high = min(high, dim - 1 if clamp == "dim" else dim // 2 - 1)
    if low == high:
        high += 0.001  # As the authors do, against a division by zero.
    pair = torch.arange(frequencies.pairs, dtype=torch.float64, device="cpu")
    return ((pair - low) / (high - low)).clamp(0, 1)


def mscale_gain(factor: float, mscale: float = 1.0) -> float:
    """YaRN's gain $g(s, m)$ for a factor $s$ and DeepSeek's $m$, which is 1 where none is given."""
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1.0

"""FoPE: each pair turns by a mixture of frequencies; those too slow to be learned are left out."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._sizes import check_channels
from phasor._words import number
from phasor.encodings._bases.turn import QueryKeyTurn
from phasor.errors import ArgumentError
from phasor.kernels.reference import apply_rotation
from phasor.rotary import Frequencies, geometric
from phasor.rotary.phase import angles


@dataclass(frozen=True)
class FoPESpec(EncodingSpec["FoPE"]):
    r"""`phasor.FoPE` as data.

    Args:
        head_dim: Channels of each head, even.
        num_heads: Heads with mixtures of their own: the heads of the key; under grouped-query
            attention the queries of a group share them.
        original_seq_len: $L$, in tokens, of the sequences in training.
        base: Of the frequencies, $\omega_p = b^{-2p/d}$.
        gain: Of the random part of the mixtures at the start: Xavier's normal distribution times
            this. The authors take 0.3 to 0.6, more for larger models.
        left_out_sin: The sine of the pairs that were left out, whose cosine is 1. The authors'
            code has 1, which turns them by 45 degrees and makes them $\sqrt 2$ longer, wherever
            they are; vLLM has 0, which leaves them as they are.
    """

    head_dim: int
    _: KW_ONLY
    num_heads: int
    original_seq_len: int = 512
    base: float = 10_000.0
    gain: float = 0.3
    left_out_sin: Literal[0, 1] = 1

    def check(self) -> None:
        if self.num_heads < 1:
            raise ArgumentError(f"num_heads must be at least 1, got {self.num_heads}")
        if not 0 <= self.gain < math.inf:
            raise ArgumentError(f"gain must be a number from 0 on, got {self.gain}; 0.3 is usual")
        if self.left_out_sin not in (0, 1):
            raise ArgumentError(
                f"left_out_sin must be 1 (the authors' code) or 0 (vLLM), got {self.left_out_sin}"
            )
        if self.original_seq_len < 1:
            raise ArgumentError(f"original_seq_len must be at least 1, got {self.original_seq_len}")
        # Not left to the frame, which comes after: each pair takes time here.
        check_channels(head_dim=self.head_dim)
        self.frequencies()

    def frequencies(self) -> Frequencies:
        """Those that have a period within the training length."""
        every = geometric(self.head_dim, self.base)
        kept = every.inv_freq[every.inv_freq >= 2 * math.pi / self.original_seq_len]
        if not kept.numel():
            raise ArgumentError(
                f"no frequency has a period within original_seq_len={self.original_seq_len}, the "
                f"shortest is {2 * math.pi:.2f} tokens; pass the length of sequences in training"
            )
        return every.with_inv_freq(kept[None])

    def in_words(self) -> str:
        kept, pairs = self.frequencies().pairs, self.head_dim // 2
        left_out = f"; the other pairs have cosine 1 and sine {self.left_out_sin} everywhere"
        return (
            f"FoPE: each of {self.num_heads} heads turns {kept} of {pairs} pairs by learned "
            f"mixtures of their frequencies, base {number(self.base)}, with periods within "
            f"{number(self.original_seq_len)} tokens, gain {number(self.gain)} at first"
            + left_out
            * (kept < pairs)
        )


@final
class FoPE(QueryKeyTurn):
    r"""A rotary encoding whose pairs each carry a mixture of frequencies (Fourier, FoPE).

    Of RoPE's frequencies those are kept whose period is within the training length,
    $\omega_p \ge 2\pi/L$; say $D$ of $d/2$. Pair $p$ of head $h$ then has
    $\sum_k \cos(m\,\omega_k)\,C_{hkp}$ for its cosine and $\sum_k \sin(m\,\omega_k)\,S_{hkp}$ for
    its sine, with $C$ and $S$ near the identity. The pairs of the frequencies that were left out do
    not know the position.

    A mixture is no rotation: norms change, and scores depend on more than the distance.

    Attributes:
        cos_mix: $C$, `[num_heads, D, D]`; a parameter. The authors leave it as it was drawn:
            `fope.requires_grad_(False)`.
        sin_mix: $S$, likewise.

    Raises:
        ArgumentError: A number out of its range, or no frequency within the training length.

    Source:
        Hua et al. 2024, arXiv:2412.17739, and the authors' code, which has no more than $d/4$
        mixtures per head; square ones, as here, and heads as here are those of Intern-S1-Pro.

    Examples:
        >>> fope = phasor.FoPE(64, num_heads=8, original_seq_len=1024)
        >>> query, key = torch.randn(2, 1, 8, 10, 64)
        >>> query, key = fope.rotate(query, key, fope(torch.arange(10)))
    """

    has_parts = True
    is_relative = False
    keeps_norm = False
    spelling = "fope"
    paper = "arXiv:2412.17739"
    formula = "pair p has cosine Σⱼ cos(m ωⱼ) Cⱼₚ and sine Σⱼ sin(m ωⱼ) Sⱼₚ;  C and S learned"

    @constructed_from(FoPESpec)
    def __init__(self, options: FoPESpec) -> None:
        super().__init__(options.head_dim, options.num_heads)
        self.original_seq_len = options.original_seq_len
        self.gain = options.gain
        self.left_out_sin = options.left_out_sin
        self.frequencies = options.frequencies()
        self.num_still = options.head_dim // 2 - self.frequencies.pairs
        size = (options.num_heads, self.frequencies.pairs, self.frequencies.pairs)
        self.cos_mix = nn.Parameter(torch.empty(size))
        self.sin_mix = nn.Parameter(torch.empty(size))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the mixtures anew; also what gives values after `to_empty`."""
        for mix in (self.cos_mix, self.sin_mix):
            nn.init.xavier_normal_(mix, gain=self.gain)
            mix += torch.eye(self.frequencies.pairs, dtype=mix.dtype, device=mix.device)

    def table(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        angle = angles(positions, self.frequencies)[:, None]
        # In float64: TF32 rounds the operands.
        cos = angle.cos() @ self.of_heads(self.cos_mix).to(angle)
        sin = angle.sin() @ self.of_heads(self.sin_mix).to(angle)
        left_out = (0, self.num_still)
        cos = nn.functional.pad(cos, left_out, value=1.0)
        return cos, nn.functional.pad(sin, left_out, value=float(self.left_out_sin))

    def turn(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # type: ignore[override]
        return apply_rotation(x, cos, sin, layout="half")

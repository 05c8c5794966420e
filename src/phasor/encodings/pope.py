"""PoPE: channels say how much, positions say at which angle; none says both."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.query_key import check_query_key, heads_per_group
from phasor.errors import ArgumentError
from phasor.kernels.api import turn
from phasor.positions import check_positions
from phasor.rotary import geometric
from phasor.rotary.frequencies import check_geometric
from phasor.rotary.phase import table_dtype


class PhaseTables(NamedTuple):
    """Where query and key are, what they are multiplied by, and the key's phases.

    The cosines and sines of the phases are `[num_heads, 1, head_dim]`.
    """

    query: Tensor
    key: Tensor
    query_operand: Tensor
    key_operand: Tensor
    cos: Tensor
    sin: Tensor


@dataclass(frozen=True)
class PoPESpec(EncodingSpec["PoPE"]):
    r"""`phasor.PoPE` as data.

    Args:
        head_dim: $d$, channels of each head as they are projected.
        num_heads: Heads with phases of their own: the heads of the key.
        base: $b$, of the frequencies.
        random_phase: Draw the phases from $-2\pi$ to 0 at the start, instead of zeros.
    """

    head_dim: int
    _: KW_ONLY
    num_heads: int
    base: float = 10_000.0
    random_phase: bool = False

    def check(self) -> None:
        for name in ("head_dim", "num_heads"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        check_geometric(2 * self.head_dim, self.base)

    def in_words(self) -> str:
        start = "drawn at random" if self.random_phase else "zero"
        return (
            f"PoPE: each of {number(self.head_dim)} channels becomes a length, at the angle of its "
            f"position, base {number(self.base)}; keys have a learned phase for each channel, "
            f"{start} at the start, in each of {self.num_heads} heads"
        )


@final
class PoPE(PositionEncoding):
    r"""Channels become lengths, positions angles (polar coordinate position embedding, PoPE).

    Channel $c$ of a query at $m$ becomes the vector of length $\mathrm{softplus}(q_c)$ at the angle
    $m\,\omega_c$, of a key at $n$ that of length $\mathrm{softplus}(k_c)$ at
    $n\,\omega_c + \delta_c$, $\omega_c = b^{-c/d}$, with a learned $\delta_c \in [-2\pi, 0]$ for
    each head. What a token is moves the lengths alone, where it is the angles alone.

    Query and key leave with twice the channels: the cosine parts, then the sine parts. The value
    keeps its own, and scores are still divided by $\sqrt d$ of the channels before:
    `phasor.attention` does so, other attention has to be told, `scale=head_dim**-0.5`.

    Attributes:
        phase: $\delta$, `[num_heads, head_dim]`; a parameter. Clamped where it is used.

    Raises:
        ArgumentError: `head_dim` or `num_heads` less than 1, or `base` not positive.

    Source:
        Gopalakrishnan et al. 2025, arXiv:2509.10534; the starts of the phases and the scale as in
        lucidrains' PoPE-pytorch.

    Examples:
        >>> pope = phasor.PoPE(64, num_heads=8)
        >>> query, key = torch.randn(2, 1, 8, 10, 64)
        >>> query, key = pope.rotate(query, key, pope(torch.arange(10)))
        >>> query.shape
        torch.Size([1, 8, 10, 128])
    """

    sites = frozenset({"query_key"})
    has_parts = True
    keeps_norm = False
    spelling = "pope"
    paper = "arXiv:2509.10534"
    formula = (
        "score = Σᵢ softplus(qᵢ) softplus(kᵢ) cos((m − n) ωᵢ − δᵢ) / √d,  ωᵢ = base^(−i/d);  "
        "δ learned"
    )

    @constructed_from(PoPESpec)
    def __init__(self, options: PoPESpec) -> None:
        super().__init__()
        self.head_dim = options.head_dim
        self.num_heads = options.num_heads
        self.random_phase = options.random_phase
        # Each channel becomes a pair.
        self.frequencies = geometric(2 * self.head_dim, options.base)
        self.phase = nn.Parameter(torch.empty(self.num_heads, self.head_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The phases of the start; also what gives values after `to_empty`."""
        if self.random_phase:
            nn.init.uniform_(self.phase, -2 * math.pi, 0.0)
        else:
            nn.init.zeros_(self.phase)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> PhaseTables:
        key_positions = positions if key_positions is None else key_positions
        check_positions(positions, owner="PoPE")
        check_positions(key_positions, owner="PoPE")
        phase = self.of_heads(self.phase).double().clamp(-2 * math.pi, 0.0).unsqueeze(1)
        return PhaseTables(
            positions,
            key_positions,
            self.frequencies.operand(positions),
            self.frequencies.operand(key_positions),
            phase.cos().to(table_dtype(dtype)),
            phase.sin().to(table_dtype(dtype)),
        )

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: PhaseTables
    ) -> tuple[Tensor, Tensor | None]:
        cos, sin = prepared.cos, prepared.sin
        check_query_key(query, key, head_dim=self.head_dim, dtype=cos.dtype, owner="PoPE")
        # The vectors at position 0, which then turn as any rotary pair does.
        length = _length(query, cos.dtype)
        start = torch.cat((length, torch.zeros_like(length)), dim=-1)
        turned = self._turn(start, prepared.query, prepared.query_operand).to(query.dtype)
        if key is None:
            return turned, None
        group = heads_per_group(key, self.num_heads, owner="PoPE", what="key")
        cos, sin = cos.repeat_interleave(group, dim=0), sin.repeat_interleave(group, dim=0)
        length = _length(key, cos.dtype)
        start = torch.cat((length * cos, length * sin), dim=-1)
        return turned, self._turn(start, prepared.key, prepared.key_operand).to(key.dtype)

    def _turn(self, start: Tensor, positions: Tensor, operand: Tensor) -> Tensor:
        turned, _ = turn(
            start,
            None,
            positions,
            operand,
            interleaved=False,
            trailing=False,
            sign=1,
            gain=1.0,
            owner="PoPE",
        )
        return turned


def _length(x: Tensor, dtype: torch.dtype) -> Tensor:
    return nn.functional.softplus(x.to(torch.promote_types(x.dtype, dtype)))

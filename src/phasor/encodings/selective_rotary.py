"""Selective RoPE: each token decides how far the angles advance."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.hidden import (
    check_hidden,
    check_tokens,
    convolve,
    draw_linear,
    project,
    unit_length,
)
from phasor.encodings._bases.query_key import check_query_key, heads_per_group
from phasor.encodings._bases.score import ScorePositions, score_positions
from phasor.errors import ArgumentError
from phasor.kernels.reference import apply_rotation
from phasor.rotary import geometric
from phasor.rotary.frequencies import check_geometric
from phasor.rotary.phase import table_dtype


class Turning(NamedTuple):
    """Where queries and keys are, and the cos and sin of all keys.

    Those are `[batch, num_heads, key_seq, pairs]`; `None` until a layer's input was seen.
    """

    positions: ScorePositions
    dtype: torch.dtype
    cos: Tensor | None = None
    sin: Tensor | None = None


@dataclass(frozen=True)
class SelectiveRotarySpec(EncodingSpec["SelectiveRotary"]):
    r"""`phasor.SelectiveRotary` as data.

    Args:
        dim: Channels of the layer's input.
        head_dim: $d$, channels of each head, even; channel $p$ and $p + d/2$ are a pair.
        num_heads: Heads with angles of their own: the heads of the key, of which each turns the
            queries of its group too.
        base: $b$.
        rank: Of the matrix $UV$.
        width: Tokens that the convolution sees: the token itself and those right before it.
    """

    dim: int
    head_dim: int
    _: KW_ONLY
    num_heads: int
    base: float = 500_000.0
    rank: int = 16
    width: int = 4

    def check(self) -> None:
        for name in ("dim", "num_heads", "rank", "width"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.dim % self.num_heads:
            raise ArgumentError(
                f"num_heads must divide dim, of which each head has a part, got {self.num_heads} "
                f"heads for dim={self.dim}"
            )
        check_geometric(self.head_dim, self.base)

    def in_words(self) -> str:
        return (
            f"selective rotary: all {self.head_dim} channels turn, i with i + "
            f"{self.head_dim // 2}, base {number(self.base)}, with each token further by what a "
            f"projection of rank {number(self.rank)} and a convolution over {number(self.width)} "
            f"tokens make of its {number(self.dim)} channels, in each of {self.num_heads} heads"
        )


@final
class SelectiveRotary(PositionEncoding):
    r"""A rotary encoding whose angles advance with each token by what the token says.

    Pair $p$ of token $m$ turns by $\omega_p \sum_{t \le m} \varphi_{tp}$ in each head, where
    $\omega_p = b^{-2p/d}$ and $\varphi_t = \sum_j a_j \odot (U V \bar x_{t-j})$: the layer's input
    with the part of each head at unit length, $\bar x$, through a matrix of low rank and a short
    causal convolution. With $\varphi = 1$ this is RoPE. The score of a query and a key depends on
    the tokens in between. Positions play a part in the convolution alone, which reaches back only
    as far as they rise, and so not into another document or into padding.

    Attributes:
        down: $V$, `[rank, dim]`; a parameter, drawn as `torch.nn.Linear` draws.
        up: $U$, `[num_heads * head_dim / 2, rank]`; likewise.
        taps: $a$, `[num_heads * head_dim / 2, width]`; likewise. The last is of the token itself.

    Raises:
        ArgumentError: A size less than 1, `head_dim` odd, `base` not positive, or `num_heads` that
            do not divide `dim`.

    Source:
        Movahedi et al. 2025, arXiv:2511.17388, as the defaults of the authors' code have it. Not
        here are what that code has as options: a gate or a bias on $\varphi$, a matrix of full
        rank, an activation after the convolution, other frequencies or learned ones.

    Examples:
        >>> selective, hidden = phasor.SelectiveRotary(32, 8, num_heads=4), torch.randn(1, 10, 32)
        >>> query, key, value = torch.randn(3, 1, 4, 10, 8)
        >>> features = selective.observe(hidden)
        >>> phasor.attention(query, key, value, selective, features=features).shape
        torch.Size([1, 4, 10, 8])
    """

    sites = frozenset({"query_key"})
    looks_at = frozenset({"hidden"})
    each_layer = True
    spelling = "selective_rotary"
    paper = "arXiv:2511.17388"
    formula = (
        "pair p of q turns by ωₚ Σₜ φₜₚ over tokens t ≤ m, of k likewise to n;  "
        "φ learned, of each token"
    )

    @constructed_from(SelectiveRotarySpec)
    def __init__(self, options: SelectiveRotarySpec) -> None:
        super().__init__()
        self.dim = options.dim
        self.head_dim = options.head_dim
        self.num_heads = options.num_heads
        self.rank = options.rank
        self.width = options.width
        self.frequencies = geometric(options.head_dim, options.base)
        channels = self.num_heads * self.frequencies.pairs
        self.down = nn.Parameter(torch.empty(self.rank, self.dim))
        self.up = nn.Parameter(torch.empty(channels, self.rank))
        self.taps = nn.Parameter(torch.empty(channels, self.width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew; also what gives values after `to_empty`."""
        draw_linear(self.down, self.dim)
        draw_linear(self.up, self.rank)
        draw_linear(self.taps, self.width)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Turning:
        return Turning(
            score_positions(positions, key_positions, owner="SelectiveRotary"), table_dtype(dtype)
        )

    def observe(self, hidden: Tensor) -> Tensor:
        """The projections before the convolution, `[batch, seq, channels]`, float32 at least."""
        check_hidden(hidden, self.dim, owner="SelectiveRotary")
        parts = hidden.double().unflatten(-1, (self.num_heads, -1))
        return project(unit_length(parts).flatten(-2), self.down, self.up).to(
            table_dtype(hidden.dtype)
        )

    def look(
        self, prepared: Turning, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Turning:
        assert features is not None
        positions = prepared.positions
        check_tokens(positions, query, key, features, owner="SelectiveRotary")
        steps = convolve(features.double(), self.taps, positions.key)
        advanced = steps.unflatten(-1, (self.num_heads, -1)).cumsum(1).transpose(1, 2)
        angle = advanced * self.frequencies.inv_freq.to(advanced.device)
        return prepared._replace(
            cos=angle.cos().to(prepared.dtype), sin=angle.sin().to(prepared.dtype)
        )

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Turning
    ) -> tuple[Tensor, Tensor | None]:
        check_query_key(
            query, key, head_dim=self.head_dim, dtype=prepared.dtype, owner="SelectiveRotary"
        )
        turned = self._turn(query, prepared, "query")
        return turned, None if key is None else self._turn(key, prepared, "key")

    def _turn(self, x: Tensor, prepared: Turning, what: str) -> Tensor:
        assert prepared.cos is not None
        assert prepared.sin is not None
        group = heads_per_group(x, self.num_heads, owner="SelectiveRotary", what=what)
        # Queries are the last of the keys.
        past = prepared.cos.shape[2] - x.shape[2]
        cos, sin = (
            table[:, :, past:].repeat_interleave(group, dim=1)
            for table in (prepared.cos, prepared.sin)
        )
        return apply_rotation(x, cos, sin, layout="half")

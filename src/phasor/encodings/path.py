"""PaTH: each token between a query and a key reflects the key on its way."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.heads import for_all_heads
from phasor.encodings._bases.hidden import (
    check_hidden,
    check_tokens,
    convolve,
    draw_linear,
    project,
    unit_length,
)
from phasor.encodings._bases.query_key import check_query_key, heads_per_group
from phasor.encodings._bases.score import ScorePositions, add_to_score, score_positions
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype


class Paths(NamedTuple):
    """Where queries and keys are, and what the way from key to query adds to each score.

    `term` is `[batch, query heads, seq, key_seq]`; `None` until a layer was looked at.
    """

    positions: ScorePositions
    dtype: torch.dtype
    term: Tensor | None = None


@dataclass(frozen=True)
class PaTHSpec(EncodingSpec["PaTH"]):
    r"""`phasor.PaTH` as data.

    Args:
        dim: Channels of the layer's input.
        head_dim: $d$, channels of each head.
        num_heads: Heads with matrices of their own: the heads of the key, as in the authors' code;
            the queries of a group share them.
        rank: Of the matrix $UV$ that makes $w$. The authors have 32, or full rank where queries
            share keys.
        width: Tokens that the convolution sees: the token itself and those right before it.
    """

    dim: int
    head_dim: int
    _: KW_ONLY
    num_heads: int
    rank: int = 32
    width: int = 3

    def check(self) -> None:
        for name in ("dim", "head_dim", "num_heads", "rank", "width"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")

    def in_words(self) -> str:
        return (
            f"PaTH: each token between a key and its query reflects the key, wholly or in part, in "
            f"each of {self.num_heads} heads of {number(self.head_dim)} channels, along a vector "
            f"that a projection of rank {number(self.rank)} and a convolution over "
            f"{number(self.width)} tokens make of its {number(self.dim)} channels"
        )


@final
class PaTH(PositionEncoding):
    r"""Accumulated Householder-like matrices, one of each token between key and query (PaTH).

    The score of a query $m$ and a key $n \le m$ is $q_m^\top H_m H_{m-1} \cdots H_{n+1} k_n /
    \sqrt d$ with $H_t = I - \beta_t w_t w_t^\top$: with $\beta_t = 2$ a reflection, with 1 a
    projection, with 0 nothing. $\beta_t = 2\,\sigma(v \cdot x_t + c)$, and $w_t$ has unit length
    and is made of the layer's input by a matrix of low rank, a short causal convolution and SiLU.
    For causal attention: a key after the query is not moved.

    What the matrices change of $q_m^\top k_n / \sqrt d$ is added to the score. So it goes together
    with other encodings at the score, in any order: PaTH-FoX is
    `phasor.Compose(PaTH(dim, d, ...), FoX(dim, num_heads, scale=d**-0.5))`, since the authors' code
    divides the logarithms of the gates by $\sqrt d$ too. It does not with one of query and key,
    whose score is another. Positions play a part in the convolution alone, as in `SelectiveRotary`.

    This is a reference for all lengths at once, not the authors' blockwise kernel: its cost grows
    with the cube of the length, its memory with the square.

    Attributes:
        down: $V$, `[rank, dim]`; a parameter, drawn as `torch.nn.Linear` draws.
        up: $U$, `[num_heads * head_dim, rank]`; likewise.
        taps: `[num_heads * head_dim, width]`; likewise. The last is of the token itself.
        gate: $v$, `[num_heads, dim]`; likewise.
        gate_bias: $c$, `[num_heads]`; likewise.

    Raises:
        ArgumentError: A size less than 1.

    Source:
        Yang et al. 2025, arXiv:2505.16381, section 3; SiLU after the convolution is of the authors'
        code (flash-linear-attention), whose convolution has it unless told otherwise.

    Examples:
        >>> path, hidden = phasor.PaTH(32, 8, num_heads=4), torch.randn(1, 10, 32)
        >>> query, key, value = torch.randn(3, 1, 4, 10, 8)
        >>> phasor.attention(query, key, value, path, features=path.observe(hidden)).shape
        torch.Size([1, 4, 10, 8])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    looks_at = frozenset({"query_key", "hidden"})
    each_layer = True
    spelling = "path"
    paper = "arXiv:2505.16381"
    formula = (
        "score = qᵀ Hₘ Hₘ₋₁ ⋯ Hₙ₊₁ k / √d,  Hₜ = I − βₜ wₜ wₜᵀ;  βₜ and wₜ learned, of each token"
    )

    @constructed_from(PaTHSpec)
    def __init__(self, options: PaTHSpec) -> None:
        super().__init__()
        self.dim = options.dim
        self.head_dim = options.head_dim
        self.num_heads = options.num_heads
        self.rank = options.rank
        self.width = options.width
        channels = self.num_heads * self.head_dim
        self.down = nn.Parameter(torch.empty(self.rank, self.dim))
        self.up = nn.Parameter(torch.empty(channels, self.rank))
        self.taps = nn.Parameter(torch.empty(channels, self.width))
        self.gate = nn.Parameter(torch.empty(self.num_heads, self.dim))
        self.gate_bias = nn.Parameter(torch.empty(self.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew; also what gives values after `to_empty`."""
        draw_linear(self.down, self.dim)
        draw_linear(self.up, self.rank)
        draw_linear(self.taps, self.width)
        draw_linear(self.gate, self.dim)
        draw_linear(self.gate_bias, self.dim)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Paths:
        return Paths(score_positions(positions, key_positions, owner="PaTH"), table_dtype(dtype))

    def observe(self, hidden: Tensor) -> Tensor:
        r"""What makes $w$, before the convolution, and $\beta$; float32 at least.

        Returns:
            `[batch, seq, num_heads * (head_dim + 1)]`, the $\beta$ of all heads last.
        """
        check_hidden(hidden, self.dim, owner="PaTH")
        direction = project(hidden, self.down, self.up)
        strength = 2 * (project(hidden, self.gate) + self.gate_bias.double()).sigmoid()
        return torch.cat((direction, strength), -1).to(table_dtype(hidden.dtype))

    def look(
        self, prepared: Paths, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Paths:
        assert features is not None
        check_query_key(query, key, head_dim=self.head_dim, dtype=prepared.dtype, owner="PaTH")
        check_tokens(prepared.positions, query, key, features, owner="PaTH")
        if key.shape[1] != self.num_heads:
            raise ArgumentError(
                f"PaTH was built for {self.num_heads} heads, got a key with {key.shape[1]}; "
                + for_all_heads("num_heads equal to the heads of the key")
            )
        group = heads_per_group(query, self.num_heads, owner="PaTH", what="query")
        features = features.to(prepared.dtype)
        direction, strength = features.split((self.up.shape[0], self.num_heads), -1)
        direction = nn.functional.silu(convolve(direction, self.taps, prepared.positions.key))
        direction = direction.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        unit, strength = unit_length(direction), strength.transpose(1, 2)
        grouped = query.to(unit.dtype).unflatten(1, (self.num_heads, group))
        with torch.autocast(query.device.type, enabled=False):
            term = way(grouped, key.to(unit.dtype), unit, strength).flatten(1, 2)
        return prepared._replace(term=term * self.head_dim**-0.5)

    def score_mod(self, prepared: Paths) -> ScoreMod:
        term = prepared.term
        assert term is not None

        def of_way(batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
            return term[batch, head, query_index, key_index]

        return add_to_score(
            of_way, positions=prepared.positions, term=term, num_heads=term.shape[1], owner="PaTH"
        )


def way(query: Tensor, key: Tensor, unit: Tensor, strength: Tensor) -> Tensor:
    r"""$q_m^\top (H_m \cdots H_{n+1} - I)\,k_n$, for all queries and keys at once.

    The product is $I - \sum_{i \ge j} w_i T_{ij} w_j^\top$ over $n < j \le i \le m$, where
    $T = (I + B L)^{-1} B$ with $B$ the diagonal of the strengths and $L$ what is below the diagonal
    of $W W^\top$ (the UT transform of products of Householder matrices). Part of a triangular
    inverse is the inverse of that part, so one $T$ serves all $m$ and $n$. Its entries are bounded,
    as no product of $H_t$ makes anything longer.

    Args:
        query: `[batch, num_heads, group, seq, head_dim]`, of the last tokens.
        key: `[batch, num_heads, key_seq, head_dim]`.
        unit: $w$, like `key`.
        strength: $\beta$, `[batch, num_heads, key_seq]`, from 0 to 2.

    Returns:
        `[batch, num_heads, group, seq, key_seq]`; 0 where the key is not before the query.
    """
    past = key.shape[2] - query.shape[3]
    across = unit.transpose(-1, -2)
    below = (unit @ across).tril(-1) * strength.unsqueeze(-1)
    right = (unit @ key.transpose(-1, -2)).tril(-1) * strength.unsqueeze(-1)
    moved = torch.linalg.solve_triangular(below, right, upper=False, unitriangular=True)
    left = (query @ across.unsqueeze(2)).tril(past)
    return -(left @ moved.unsqueeze(2))

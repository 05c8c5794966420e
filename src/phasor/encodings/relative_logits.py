"""Inkling's relative logits: each token mixes profiles of bias against distance."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.by_distance import of_query
from phasor.encodings._bases.score import ScorePositions, add_to_score, whole_positions
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype


class Mixed(NamedTuple):
    """Where queries and keys are, the bank of profiles, and those that each query mixed.

    `logits` `[batch, num_heads, seq, extent]` is `None` until a layer's input was seen.
    """

    positions: ScorePositions
    bank: Tensor
    logits: Tensor | None = None


@dataclass(frozen=True)
class RelativeLogitsSpec(EncodingSpec["RelativeLogits"]):
    r"""`phasor.RelativeLogits` as data.

    Args:
        dim: Channels of the layer's input.
        num_heads: Query heads.
        extent: $E$, in tokens. Inkling has 1024, and in windowed layers the window.
        rank: Profiles in the bank, which all heads share.
    """

    dim: int
    num_heads: int
    _: KW_ONLY
    extent: int = 128
    rank: int = 16

    def check(self) -> None:
        for name in ("dim", "num_heads", "extent", "rank"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")

    def in_words(self) -> str:
        return (
            f"relative logits: each token mixes {number(self.rank)} learned profiles over "
            f"{number(self.extent)} distances"
        )


@final
class RelativeLogits(PositionEncoding):
    r"""Each token decides what distance does to its scores, out of a few learned profiles.

    A token with input $x_m$ has a mix $r_m = A_h x_m$ of `rank` numbers in each head. Its score
    with the key at $n$ changes by $r_m \cdot P_{m-n}$ for distances $0 \le m - n < E$, by nothing
    beyond them and for keys after the query.

    Attributes:
        mix: `[num_heads * rank, dim]`, a parameter; $A$, laid out as Inkling's `r_proj`.
        bank: `[rank, extent]`, a parameter; $P$, Inkling's `rel_logits_proj`.

    Raises:
        ArgumentError: A size less than 1.

    Source:
        The code of Inkling (Thinking Machines 2026), which has no paper; initial values (normal,
        0.02) likewise. Its queries and keys are normalised and their product is divided by $d$
        where attention here divides by $\sqrt{d}$: scale one by $d^{-1/2}$. Its layers without a
        window also multiply whole scores by a slowly growing function of the position, which is
        not part of this. Nearest in print is Shaw et al. 2018, arXiv:1803.02155.

    Examples:
        >>> mixed, hidden = phasor.RelativeLogits(32, 4, extent=8), torch.randn(1, 10, 32)
        >>> query, key, value = torch.randn(3, 1, 4, 10, 8)
        >>> out = phasor.attention(query, key, value, mixed, features=mixed.observe(hidden))
        >>> out.shape
        torch.Size([1, 4, 10, 8])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    looks_at = frozenset({"hidden"})
    each_layer = True
    spelling = "relative_logits"
    integer_positions = True
    paper = "none: the code of Inkling"
    formula = (
        "score + (Aₕ xₘ)·P[m − n] where 0 ≤ m − n < extent;  xₘ the layer's input, A and P learned"
    )

    @constructed_from(RelativeLogitsSpec)
    def __init__(self, options: RelativeLogitsSpec) -> None:
        super().__init__()
        self.dim = options.dim
        self.num_heads = options.num_heads
        self.extent = options.extent
        self.rank = options.rank
        self.mix = nn.Parameter(torch.empty(self.num_heads * self.rank, self.dim))
        self.bank = nn.Parameter(torch.empty(self.rank, self.extent))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw mix and bank anew; also what gives them values after `to_empty`."""
        nn.init.normal_(self.mix, std=0.02)
        nn.init.normal_(self.bank, std=0.02)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Mixed:
        where = whole_positions(positions, key_positions, owner="RelativeLogits")
        return Mixed(where, self.bank.to(positions.device, table_dtype(dtype)))

    def observe(self, hidden: Tensor) -> Tensor:
        """The mix of each token, `[batch, seq, num_heads, rank]`, float32 at least."""
        if hidden.shape[-1] != self.dim:
            raise ArgumentError(
                f"RelativeLogits was built for inputs of {self.dim} channels, got shape "
                f"{list(hidden.shape)}; build it with dim={hidden.shape[-1]}"
            )
        dtype = table_dtype(hidden.dtype)
        # Autocast would round both operands, and this product decides between positions.
        with torch.autocast(hidden.device.type, enabled=False):
            mixed = hidden.to(dtype) @ self.mix.to(dtype).T
        return mixed.unflatten(-1, (self.num_heads, self.rank))

    def look(
        self, prepared: Mixed, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Mixed:
        assert features is not None
        mix = features[:, features.shape[1] - query.shape[2] :].transpose(1, 2)
        with torch.autocast(query.device.type, enabled=False):
            return prepared._replace(logits=mix.to(prepared.bank.dtype) @ prepared.bank)

    def score_mod(self, prepared: Mixed) -> ScoreMod:
        positions, _, logits = prepared
        assert logits is not None

        def at_distance(
            batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
        ) -> Tensor:
            distance = positions.of_query(batch, query_index) - positions.of_key(batch, key_index)
            row = distance.clamp(0, self.extent - 1)
            return of_query(logits, batch, head, query_index, row) * (row == distance)

        return add_to_score(
            at_distance,
            positions=positions,
            term=logits,
            num_heads=self.num_heads,
            owner="RelativeLogits",
        )

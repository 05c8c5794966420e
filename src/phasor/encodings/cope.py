"""CoPE: position is a count of the tokens that a query lets count."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.by_distance import products
from phasor.encodings._bases.score import ScorePositions, score_positions
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions import check_covers
from phasor.rotary.phase import table_dtype


class Counted(NamedTuple):
    """Where queries and keys are, the vectors of whole counts, and their products.

    `logits` `[batch, num_heads, seq, num_counts]` is `None` until a layer's query was seen.
    """

    positions: ScorePositions
    vectors: Tensor
    logits: Tensor | None = None


@dataclass(frozen=True)
class CoPESpec(EncodingSpec["CoPE"]):
    """`phasor.CoPE` as data.

    Args:
        head_dim: Channels of each head.
        num_counts: $C$, vectors for the counts $0$ to $C - 1$.
    """

    head_dim: int
    _: KW_ONLY
    num_counts: int = 64

    def check(self) -> None:
        for name, value in (("head_dim", self.head_dim), ("num_counts", self.num_counts)):
            if value < 1:
                raise ArgumentError(f"{name} must be at least 1, got {value}")

    def in_words(self) -> str:
        return (
            "CoPE: a position is the number of tokens that each query lets count, with a learned "
            f"vector for each of {number(self.num_counts)} counts"
        )


@final
class CoPE(PositionEncoding):
    r"""Contextual position: how many of the tokens in between the query lets count.

    With $s_{mj}$ the score of a query $q$ at $m$ and a key at $j$, each key counts
    $\sigma(s_{mj})$, and the key at $n$ is $p = \min(\sum_{j=n}^{m} \sigma(s_{mj}),\, C - 1)$ away.
    Its score changes by $q \cdot e_p$, a straight line between the vectors of the whole counts on
    either side of $p$. All heads share them.

    For causal attention: keys after the query do not count and are 0 away. Positions play no part;
    the order of the tokens does. A mask that hides keys between a query and a key that it sees is
    not heeded; padding and packed documents hide none there. It needs all scores of a query from
    the first key on, and so neither fused attention nor FlexAttention.

    Attributes:
        weight: `[num_counts, head_dim]`, a parameter; $e$, 0 at first.

    Raises:
        ArgumentError: A size less than 1.

    Source:
        Golovneva et al. 2024, arXiv:2405.18719, section 4; initial values, query without the factor
        $1/\sqrt{d}$ and scores with it as in the code of appendix A, where `pos_emb` is `weight`
        transposed.

    Examples:
        >>> cope = phasor.CoPE(64)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, cope).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"score"})
    score_needs_row = True
    looks_at = frozenset({"query_key"})
    each_layer = True
    spelling = "cope"
    paper = "arXiv:2405.18719"
    formula = "score + q·e[c],  c = Σⱼ σ(q·kⱼ / √d) over the keys j from n to m;  e learned"

    @constructed_from(CoPESpec)
    def __init__(self, options: CoPESpec) -> None:
        super().__init__()
        self.head_dim = options.head_dim
        self.num_counts = options.num_counts
        self.weight = nn.Parameter(torch.empty(options.num_counts, options.head_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No vector but zero; also what gives values after `to_empty`."""
        nn.init.zeros_(self.weight)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Counted:
        where = score_positions(positions, key_positions, owner="CoPE")
        return Counted(where, self.weight.to(positions.device, table_dtype(dtype)))

    def look(
        self, prepared: Counted, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Counted:
        for what, x, known in (
            ("query", query, prepared.positions.query),
            ("key", key, prepared.positions.key),
        ):
            check_covers(known, batch=len(x), seq=x.shape[2], owner="CoPE", what=what)
        return prepared._replace(logits=products(query, prepared.vectors, owner="CoPE"))

    def score_mod(self, prepared: Counted) -> ScoreMod:
        positions, _, logits = prepared
        assert logits is not None
        past = positions.key.shape[-1] - positions.query.shape[-1]

        def count(
            score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
        ) -> Tensor:
            if score.ndim != 4:
                raise ArgumentError(
                    "CoPE counts over the scores of a query with all keys up to it, got a score "
                    f"of shape {list(score.shape)}; call attention with another impl, such as "
                    "'auto'"
                )
            if score.dtype == torch.float64 != logits.dtype:
                raise ArgumentTypeError(
                    f"the score is float64 but CoPE was prepared in {logits.dtype}; "
                    "pass dtype=query.dtype to prepare"
                )
            gate = score.sigmoid().masked_fill(key_index > query_index + past, 0.0)
            position = gate.flip(-1).cumsum(-1).flip(-1).clamp(max=self.num_counts - 1)
            below = position.detach().floor()
            rows = logits[batch, head, query_index].squeeze(3)
            at_below = rows.gather(-1, below.long())
            at_above = rows.gather(-1, position.detach().ceil().long())
            return score + at_below + (at_above - at_below) * (position - below)

        return count

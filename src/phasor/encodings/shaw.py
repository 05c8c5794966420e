"""Shaw's relative positions: a learned vector for each distance is added to the key."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.by_distance import of_query, products
from phasor.encodings._bases.score import ScorePositions, add_to_score, whole_positions
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype


class Logits(NamedTuple):
    """Where queries and keys are, the table, and what it adds to the scores of each query.

    `logits` `[batch, num_heads, seq, rows]` is `None` until a layer's query was seen.
    """

    positions: ScorePositions
    table: Tensor
    logits: Tensor | None = None


@dataclass(frozen=True)
class ShawSpec(EncodingSpec["Shaw"]):
    r"""`phasor.Shaw` as data.

    Args:
        head_dim: Channels of each head, $d$.
        max_distance: $K$; keys further back than that share a vector.
        max_ahead: Likewise of keys after the query, where it differs from `max_distance`.
    """

    head_dim: int
    _: KW_ONLY
    max_distance: int = 16
    max_ahead: int | None = None

    def check(self) -> None:
        if self.max_ahead is None:
            # So that equal encodings have equal options.
            object.__setattr__(self, "max_ahead", self.max_distance)
        if self.head_dim < 1:
            raise ArgumentError(f"head_dim must be at least 1, got {self.head_dim}")
        for name in ("max_distance", "max_ahead"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"{name} must be at least 0, got {getattr(self, name)}")

    def in_words(self) -> str:
        assert self.max_ahead is not None
        return (
            f"Shaw: a learned vector for each distance, up to {number(self.max_distance)} "
            f"back and {number(self.max_ahead)} ahead"
        )


@final
class Shaw(PositionEncoding):
    r"""The query is multiplied with a learned vector for the distance, as well as with the key.

    The score of a query $q$ at $m$ and a key $k$ at $n$ becomes
    $q \cdot (k + a_{\operatorname{clip}(n - m, -K, K)}) / \sqrt{d}$. All heads share the vectors.
    Only this, the part in the keys: the paper also adds vectors to the values, which no score can
    do, and loses nothing without them (section 4.3).

    Attributes:
        weight: `[max_distance + max_ahead + 1, head_dim]`, a parameter, from the farthest key back
            to the farthest ahead, as the `distance_embedding` of Wav2Vec2-BERT.

    Raises:
        ArgumentError: `head_dim` less than 1, or a distance less than 0.

    Source:
        Shaw et al. 2018, arXiv:1803.02155, equation 4 with $K$ = 16 as in section 4.1. Initial
        values (Glorot, uniform) as in tensor2tensor; Wav2Vec2-BERT has 64 and 8 and no values.

    Examples:
        >>> shaw = phasor.Shaw(64)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, shaw).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    looks_at = frozenset({"query_key"})
    each_layer = True
    spelling = "shaw"
    integer_positions = True
    paper = "arXiv:1803.02155"
    formula = (
        "score = q·(k + a[clip(n − m, −K, K)]) / √d;  a learned, K the farthest distance told apart"
    )

    @constructed_from(ShawSpec)
    def __init__(self, options: ShawSpec) -> None:
        super().__init__()
        assert options.max_ahead is not None
        self.head_dim = options.head_dim
        self.max_distance = options.max_distance
        self.max_ahead: int = options.max_ahead
        rows = self.max_distance + self.max_ahead + 1
        self.weight = nn.Parameter(torch.empty(rows, self.head_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors anew; also what gives them values after `to_empty`."""
        nn.init.xavier_uniform_(self.weight)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Logits:
        where = whole_positions(positions, key_positions, owner="Shaw")
        return Logits(where, self.weight.to(positions.device, table_dtype(dtype)))

    def look(
        self, prepared: Logits, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Logits:
        logits = products(query, prepared.table, scale=self.head_dim**-0.5, owner="Shaw")
        return prepared._replace(logits=logits)

    def score_mod(self, prepared: Logits) -> ScoreMod:
        positions, _, logits = prepared
        assert logits is not None

        def at_distance(
            batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
        ) -> Tensor:
            ahead = positions.of_key(batch, key_index) - positions.of_query(batch, query_index)
            row = ahead.clamp(-self.max_distance, self.max_ahead) + self.max_distance
            return of_query(logits, batch, head, query_index, row)

        return add_to_score(
            at_distance,
            positions=positions,
            term=logits,
            num_heads=logits.shape[1],
            owner="Shaw",
        )

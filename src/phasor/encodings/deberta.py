"""DeBERTa: query and key each meet a vector for their distance, beside one another."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.by_distance import of_key, of_query, products
from phasor.encodings._bases.score import ScorePositions, add_to_score, whole_positions
from phasor.encodings._bases.signed_buckets import check_signed_buckets, signed_buckets
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype


class Disentangled(NamedTuple):
    """Positions, the row of each clipped distance, and both tables `[num_heads, rows, head_dim]`.

    The logits `[batch, num_heads, seq or key_seq, rows]` of queries with `to_key` and of keys with
    `to_query` are `None` until a layer's query and key were seen.
    """

    positions: ScorePositions
    row_of: Tensor
    to_key: Tensor
    to_query: Tensor
    of_queries: Tensor | None = None
    of_keys: Tensor | None = None


@dataclass(frozen=True)
class DeBERTaSpec(EncodingSpec["DeBERTa"]):
    """`phasor.DeBERTa` as data.

    Args:
        dim: Channels of the vectors $p$; the width of the model.
        head_dim: Channels of each head, $d$.
        num_heads: Query heads.
        max_distance: Distances from here on share a vector, in each direction.
        num_buckets: Of each direction, where distances share buckets as in version 2 and 3; see
            `signed_buckets`. `None` for a vector for each distance, as in version 1.
    """

    dim: int
    head_dim: int
    num_heads: int
    _: KW_ONLY
    max_distance: int = 512
    num_buckets: int | None = None

    def check(self) -> None:
        for name in ("dim", "head_dim", "num_heads", "max_distance"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_buckets is not None:
            check_signed_buckets(self.num_buckets, self.max_distance)

    def in_words(self) -> str:
        buckets = self.num_buckets
        shared = "one each" if buckets is None else f"in {number(buckets)} buckets"
        return (
            f"DeBERTa: learned vectors of distances up to {number(self.max_distance)}, "
            f"{shared} in each direction, for queries and for keys"
        )


@final
class DeBERTa(PositionEncoding):
    r"""Disentangled attention: content to content, content to position, position to content.

    The score of a query $q$ at $m$ and a key $k$ at $n$ becomes
    $(q \cdot k + q \cdot W_K p_{\delta} + (W_Q p_{\delta} + b) \cdot k) / \sqrt{3d}$ with a learned
    vector $p_\delta$ for the distance $\delta = m - n$, clipped or in buckets. The query is scaled
    by $3^{-1/2}$ for the first product: attention divides by $\sqrt{d}$.

    Attributes:
        weight: `[rows, dim]`, a parameter; $p$, from the farthest key ahead to the farthest back,
            as the authors' `rel_embeddings`: twice as many rows as buckets, or as distances.
        key_projection: `[num_heads, head_dim, dim]`, a parameter; $W_K$.
        query_projection: `[num_heads, head_dim, dim]`, a parameter; $W_Q$.
        query_bias: `[num_heads, head_dim]`, a parameter; $b$. A bias of the other projection
            would change all scores of a query alike, and so nothing.

    Raises:
        ArgumentError: A size less than 1, or buckets that do not fit `max_distance`.

    Source:
        He et al. 2020, arXiv:2006.03654, section 3.1; initial values (normal, 0.02) as in
        the authors' code, whose layers share $p$ (version 2 and 3 normalise it first), and whose
        version 2 and 3 take $W_K$, $W_Q$ and $b$ from the layer's own key and query
        (`share_att_key`): assign or copy them for that. A key `max_distance` or more ahead has row
        0 here, as in transformers, which no training within `max_distance` tokens has touched.
        With buckets the authors clip distances to less than that first, so that such a key has row
        1: for longer texts than the training's copy row 1 of `weight` to row 0.

    Examples:
        >>> deberta = phasor.DeBERTa(512, 64, 8, num_buckets=256)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, deberta, causal=False).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"query_key", "score"})
    score_is_bias = True
    keeps_norm = False
    looks_at = frozenset({"query_key"})
    each_layer = True
    spelling = "deberta"
    integer_positions = True
    paper = "arXiv:2006.03654"
    formula = "score = (q·k + q·K e[m − n] + (Q e[m − n] + b)·k) / √(3d);  e, K, Q and b learned"

    @constructed_from(DeBERTaSpec)
    def __init__(self, options: DeBERTaSpec) -> None:
        super().__init__()
        dim, head_dim, num_heads = options.dim, options.head_dim, options.num_heads
        self.dim = dim
        self.head_dim = head_dim
        self.num_heads = num_heads
        self.max_distance = options.max_distance
        self.num_buckets = options.num_buckets
        if options.num_buckets is None:
            half = options.max_distance
            back = list(range(half))
        else:
            half = options.num_buckets
            back = signed_buckets(half, options.max_distance)
        # One more distance in each direction, for all that are farther.
        rows = [half + bucket for bucket in (*back, half - 1)]
        ahead = [half - bucket for bucket in (half, *back[:0:-1])]
        # Not a buffer: to_empty() would lose it.
        self.row_of = torch.tensor([*ahead, *rows], device="cpu")
        self.weight = nn.Parameter(torch.empty(2 * half, dim))
        self.key_projection = nn.Parameter(torch.empty(num_heads, head_dim, dim))
        self.query_projection = nn.Parameter(torch.empty(num_heads, head_dim, dim))
        self.query_bias = nn.Parameter(torch.empty(num_heads, head_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table and its projections anew; also what gives values after `to_empty`."""
        for parameter in (self.weight, self.key_projection, self.query_projection):
            nn.init.normal_(parameter, std=0.02)
        nn.init.zeros_(self.query_bias)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Disentangled:
        where = whole_positions(positions, key_positions, owner="DeBERTa")
        device, wide = positions.device, table_dtype(dtype)
        weight, to_key, to_query, bias = (
            each.to(device, wide)
            for each in (self.weight, self.key_projection, self.query_projection, self.query_bias)
        )
        # Autocast would round the operands of these products, which decide between positions.
        with torch.autocast(device.type, enabled=False):
            to_key, to_query = weight @ to_key.mT, weight @ to_query.mT + bias.unsqueeze(1)
        return Disentangled(where, self.row_of.to(device), to_key, to_query)

    def look(
        self, prepared: Disentangled, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Disentangled:
        scale = (3 * self.head_dim) ** -0.5
        repeated = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
        return prepared._replace(
            of_queries=products(query, prepared.to_key, scale=scale, owner="DeBERTa"),
            of_keys=products(repeated, prepared.to_query, scale=scale, owner="DeBERTa"),
        )

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Disentangled
    ) -> tuple[Tensor, Tensor | None]:
        return query * 3**-0.5, key

    def score_mod(self, prepared: Disentangled) -> ScoreMod:
        positions, row_of, _, _, of_queries, of_keys = prepared
        assert of_queries is not None
        assert of_keys is not None

        def both(batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
            distance = positions.of_query(batch, query_index) - positions.of_key(batch, key_index)
            far = self.max_distance
            row = row_of[distance.clamp(-far, far) + far]
            return of_query(of_queries, batch, head, query_index, row) + of_key(
                of_keys, batch, head, key_index, row
            )

        return add_to_score(
            both, positions=positions, term=of_keys, num_heads=self.num_heads, owner="DeBERTa"
        )

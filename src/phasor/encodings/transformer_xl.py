"""Transformer-XL: the query meets a sinusoid of the distance, and a bias stands in for it."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.by_distance import of_query
from phasor.encodings._bases.heads import check_heads
from phasor.encodings._bases.query_key import check_query_key
from phasor.encodings._bases.score import ScorePositions, add_to_score, score_positions
from phasor.errors import ArgumentError
from phasor.positions import check_covers
from phasor.rotary.frequencies import check_geometric, geometric
from phasor.rotary.phase import cos_sin, table_dtype


class Sinusoids(NamedTuple):
    """Cosine and sine `[seq, dim / 2]` or `[batch, seq, dim / 2]`, of queries and of keys.

    `term` `[batch, num_heads, seq, key_seq]` is `None` until a layer's query and key were seen.
    """

    positions: ScorePositions
    query: tuple[Tensor, Tensor]
    key: tuple[Tensor, Tensor]
    term: Tensor | None = None


@dataclass(frozen=True)
class TransformerXLSpec(EncodingSpec["TransformerXL"]):
    r"""`phasor.TransformerXL` as data.

    Args:
        dim: Channels of the sinusoid, even; the width of the model.
        head_dim: Channels of each head, $d$.
        num_heads: Query heads.
        base: Of the wavelengths, as in `Sinusoidal`.
    """

    dim: int
    head_dim: int
    num_heads: int
    _: KW_ONLY
    base: float = 10_000.0

    def check(self) -> None:
        for name in ("head_dim", "num_heads"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.dim < 2 or self.dim % 2:
            raise ArgumentError(f"dim must be even, a sine for each cosine, got {self.dim}")
        check_geometric(self.dim, self.base)

    def in_words(self) -> str:
        return (
            f"Transformer-XL: a sinusoid of the distance, {number(self.dim)} channels, "
            f"base {number(self.base)}, projected by each of {self.num_heads} heads"
        )


@final
class TransformerXL(PositionEncoding):
    r"""The score has a part for the distance alone, made of a sinusoid that each head projects.

    The score of a query $q$ at $m$ and a key $k$ at $n$ becomes
    $\left((q + u) \cdot k + (q + v) \cdot W R_{m-n}\right) / \sqrt{d}$, where $R_{m-n}$ is the
    sinusoid of the distance: all sines, then all cosines. Sums of angles take the place of the
    authors' shift of a table, so distances may be any, and positions floats. Takes the memory of
    all scores at once, as they do.

    Attributes:
        projection: `[num_heads, head_dim, dim]`, a parameter; $W$.
        content_bias: `[num_heads, head_dim]`, a parameter; $u$.
        position_bias: `[num_heads, head_dim]`, a parameter; $v$.

    Raises:
        ArgumentError: A size less than 1, an odd `dim`, or a `base` that is not positive.

    Source:
        Dai et al. 2019, arXiv:1901.02860, section 3.3; initial values (normal, 0.02) as in the
        authors' code, whose layers share $u$ and $v$: assign one layer's to the others for that. In
        XLNet each layer has its own. Their code may also clamp distances in evaluation; this does
        not.

    Examples:
        >>> xl = phasor.TransformerXL(512, 64, 8)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, xl).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    looks_at = frozenset({"query_key"})
    each_layer = True
    spelling = "transformer_xl"
    paper = "arXiv:1901.02860"
    formula = "score = ((q + u)·k + (q + v)·W R(m − n)) / √d;  R a sinusoid, u, v and W learned"

    @constructed_from(TransformerXLSpec)
    def __init__(self, options: TransformerXLSpec) -> None:
        super().__init__()
        self.dim = options.dim
        self.head_dim = options.head_dim
        self.num_heads = options.num_heads
        self.frequencies = geometric(options.dim, options.base)
        self.projection = nn.Parameter(torch.empty(self.num_heads, self.head_dim, self.dim))
        self.content_bias = nn.Parameter(torch.empty(self.num_heads, self.head_dim))
        self.position_bias = nn.Parameter(torch.empty(self.num_heads, self.head_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all of them anew; also what gives values after `to_empty`."""
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Sinusoids:
        where = score_positions(positions, key_positions, owner="TransformerXL")
        query, key = (cos_sin(given, self.frequencies, dtype=table_dtype(dtype)) for given in where)
        return Sinusoids(where, query, key)

    def look(
        self, prepared: Sinusoids, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Sinusoids:
        self._check(prepared, query, key)
        dtype = prepared.query[0].dtype
        projection, content_bias, position_bias = (
            each.to(query.device, dtype).unsqueeze(1 if each.ndim == 2 else 0)
            for each in (self.projection, self.content_bias, self.position_bias)
        )
        cos, sin = (_of_each_head(each) for each in prepared.query)
        key_cos, key_sin = (_of_each_head(each).mT for each in prepared.key)
        # Autocast would round the operands of these products, which decide between positions.
        with torch.autocast(query.device.type, enabled=False):
            wide = query.to(dtype) + position_bias
            on_sin, on_cos = (wide @ projection).chunk(2, dim=-1)
            # sin(m - n) = sin m cos n - cos m sin n, and cos(m - n) = cos m cos n + sin m sin n.
            term = (on_sin * sin + on_cos * cos) @ key_cos
            term = term + (on_cos * sin - on_sin * cos) @ key_sin
            repeated = key.to(dtype).repeat_interleave(self.num_heads // key.shape[1], dim=1)
            term = term + content_bias @ repeated.mT
        return prepared._replace(term=term * self.head_dim**-0.5)

    def score_mod(self, prepared: Sinusoids) -> ScoreMod:
        term = prepared.term
        assert term is not None

        def of_pair(batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
            return of_query(term, batch, head, query_index, key_index)

        return add_to_score(
            of_pair,
            positions=prepared.positions,
            term=term,
            num_heads=self.num_heads,
            owner="TransformerXL",
        )

    def _check(self, prepared: Sinusoids, query: Tensor, key: Tensor) -> None:
        dtype = prepared.query[0].dtype
        check_query_key(query, key, head_dim=self.head_dim, dtype=dtype, owner="TransformerXL")
        check_heads(query.shape[1], self.num_heads, owner="TransformerXL")
        for what, x, known in (
            ("query", query, prepared.positions.query),
            ("key", key, prepared.positions.key),
        ):
            check_covers(known, batch=len(x), seq=x.shape[2], owner="TransformerXL", what=what)


def _of_each_head(table: Tensor) -> Tensor:
    """`[seq, pairs]` or `[batch, seq, pairs]` with an axis for the heads."""
    return table if table.ndim == 2 else table.unsqueeze(1)

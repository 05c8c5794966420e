"""FoX: each token may make all that came before it count for less."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.hidden import check_hidden, check_tokens, project
from phasor.encodings._bases.score import ScorePositions, add_to_score, score_positions
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype


class Forgetting(NamedTuple):
    """Where queries and keys are, and how much each head has forgotten up to each key.

    `decay` `[batch, key_seq, num_heads]`, float64, is the running sum of the logarithms of the
    gates; `None` until a layer's input was seen.
    """

    positions: ScorePositions
    dtype: torch.dtype
    decay: Tensor | None = None


@dataclass(frozen=True)
class FoXSpec(EncodingSpec["FoX"]):
    r"""`phasor.FoX` as data.

    Args:
        dim: Channels of the layer's input.
        num_heads: Query heads.
        bias: Of the gates at first: 0 as in the authors' code, or 5, with which hardly anything is
            forgotten.
        scale: $c$, 1 in the paper. PaTH-FoX has $1/\sqrt{d}$, with $d$ the channels of a head.
    """

    dim: int
    num_heads: int
    _: KW_ONLY
    bias: float = 0.0
    scale: float = 1.0

    def check(self) -> None:
        for name, value in (("dim", self.dim), ("num_heads", self.num_heads)):
            if value < 1:
                raise ArgumentError(f"{name} must be at least 1, got {value}")
        if not math.isfinite(self.bias):
            raise ArgumentError(f"bias must be finite, got {self.bias}; 0 and 5 are usual")
        if not 0 < self.scale < math.inf:
            raise ArgumentError(f"scale must be positive, got {self.scale}; 1.0 is the paper's")

    def in_words(self) -> str:
        scale = f"{number(self.scale)} times " if self.scale != 1 else ""
        return (
            f"FoX: scores change by {scale}the logarithms of the learned forget gates of the "
            f"tokens in between, in each of {self.num_heads} heads, with bias {number(self.bias)} "
            "at first"
        )


@final
class FoX(PositionEncoding):
    r"""Forgetting Transformer: a bias on the score that the tokens in between decide.

    Token $t$ has a forget gate $f_t = \sigma(w \cdot x_t + b)$ in each head, made of what goes into
    the layer. The score of a query $m$ and a key $n \le m$ changes by $c \sum_{t=n+1}^{m} \ln f_t$:
    ALiBi with a slope that each token sets anew. Positions play no part; the order of the tokens
    does. For causal attention: a key after the query would be remembered all the better.

    Attributes:
        gate: `[num_heads, dim]`, a parameter; $w$, drawn as `torch.nn.Linear` draws.
        gate_bias: `[num_heads]`, a parameter; $b$, `bias` at first.

    Raises:
        ArgumentError: `dim` or `num_heads` is less than 1, `bias` not finite, or `scale` not
            positive.

    Source:
        Lin et al. 2025, arXiv:2503.02130, equation 4 and section 3.1. The authors' code begins with
        the bias at 0; the paper finds the difference small. Used with no other encoding ("Pro" and
        "LLaMA" models both). x-transformers calls it `DataDependentAlibi`, which is `bias=5.0`; its
        second set of gates for keys after the query is not here.

    Examples:
        >>> fox, hidden = phasor.FoX(32, 4), torch.randn(1, 10, 32)
        >>> query, key, value = torch.randn(3, 1, 4, 10, 8)
        >>> out = phasor.attention(query, key, value, fox, features=fox.observe(hidden))
        >>> out.shape
        torch.Size([1, 4, 10, 8])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    looks_at = frozenset({"hidden"})
    each_layer = True
    spelling = "fox"
    paper = "arXiv:2503.02130"
    formula = (
        "score + scale · Σₜ ln fₜ over n < t ≤ m,  fₜ = σ(w·xₜ + b);  "
        "xₜ the layer's input, w and b learned"
    )

    @constructed_from(FoXSpec)
    def __init__(self, options: FoXSpec) -> None:
        super().__init__()
        self.dim = options.dim
        self.num_heads = options.num_heads
        self.bias = options.bias
        self.scale = options.scale
        self.gate = nn.Parameter(torch.empty(options.num_heads, options.dim))
        self.gate_bias = nn.Parameter(torch.empty(options.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the gates anew; also what gives values after `to_empty`."""
        nn.init.uniform_(self.gate, -(self.dim**-0.5), self.dim**-0.5)
        nn.init.constant_(self.gate_bias, self.bias)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Forgetting:
        return Forgetting(
            score_positions(positions, key_positions, owner="FoX"), table_dtype(dtype)
        )

    def observe(self, hidden: Tensor) -> Tensor:
        """Logarithms of the gates, `[batch, seq, num_heads]`, float32 at least."""
        check_hidden(hidden, self.dim, owner="FoX")
        logits = project(hidden, self.gate) + self.gate_bias.double()
        return logsigmoid(logits).to(table_dtype(hidden.dtype))

    def look(
        self, prepared: Forgetting, query: Tensor, key: Tensor, features: Tensor | None = None
    ) -> Forgetting:
        assert features is not None
        check_tokens(prepared.positions, query, key, features, owner="FoX")
        # In float64: far out the sums are large, and what is looked up is their difference.
        return prepared._replace(decay=features.double().cumsum(1))

    def score_mod(self, prepared: Forgetting) -> ScoreMod:
        positions, dtype, decay = prepared
        assert decay is not None
        past = decay.shape[1] - positions.query.shape[-1]

        def forgotten(
            batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
        ) -> Tensor:
            difference = decay[batch, query_index + past, head] - decay[batch, key_index, head]
            return (self.scale * difference).to(dtype)

        return add_to_score(
            forgotten,
            positions=positions,
            term=decay.new_empty(0, dtype=dtype),
            num_heads=self.num_heads,
            owner="FoX",
        )

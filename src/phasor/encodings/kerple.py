"""KERPLE: a penalty on the score whose growth with distance is learned in each head."""

import math
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.score import ScorePositions, add_to_score, score_positions
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype

Kind = Literal["log", "power"]

_LEAST = 1e-2
_MOST = {"log": (math.inf, math.inf), "power": (math.inf, 2.0)}
_INITIAL_MOST = {"log": (2.0, 1.0), "power": (1.0, 2.0)}


class Penalties(NamedTuple):
    """Where queries and keys are, and `r1` and `r2` `[num_heads]` within their bounds."""

    positions: ScorePositions
    r1: Tensor
    r2: Tensor


@final
class KERPLE(PositionEncoding):
    r"""A learned penalty on the attention score, logarithmic or a power of distance.

    The score of a query at $m$ and a key at $n$ changes by

    - `"log"`: $-r_1 \ln(1 + r_2\,|m - n|)$, with $r_1, r_2 \ge 0.01$;
    - `"power"`: $-r_1\,|m - n|^{r_2}$, with $r_1 \ge 0.01$ and $0.01 \le r_2 \le 2$, where ALiBi is
      $r_2 = 1$,

    and each head learns its own $r_1$ and $r_2$.

    Args:
        num_heads: Number of query heads.
        kind: `"log"`, which the paper recommends, or `"power"`.

    Attributes:
        r1: `[num_heads]`, a parameter. Training may take it past a bound; what is used then, and
            where its gradient is taken, is the bound.
        r2: `[num_heads]`, likewise.

    Raises:
        ArgumentError: `num_heads` is less than 1, or an unknown `kind`.

    Source:
        Chi et al. 2022, arXiv:2205.09921, section 4.1. Bounds and initial values, uniform from 0 to
        2 for the factor of the logarithm and the exponent and from 0 to 1 for the other two, are in
        the authors' code alone. It calls them p and a, and writes the bound into a parameter that
        has passed it before each use; here a forward pass changes no parameter. Its distances are 0
        above the diagonal; here, as in the paper, they are symmetric.

    Examples:
        >>> kerple = phasor.KERPLE(8)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, kerple).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"score"})
    score_is_bias = True
    spelling = "kerple"
    paper = "arXiv:2205.09921"

    def __init__(self, num_heads: int, *, kind: Kind = "log") -> None:
        super().__init__()
        if num_heads < 1:
            raise ArgumentError(f"num_heads must be at least 1, got {num_heads}")
        if kind not in _MOST:
            raise ArgumentError(f"kind must be one of {list(_MOST)}, got {kind!r}")
        self.num_heads = num_heads
        self.kind: Kind = kind
        self.r1 = nn.Parameter(torch.empty(num_heads))
        self.r2 = nn.Parameter(torch.empty(num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both anew; also what gives values after `to_empty`."""
        for parameter, most in zip((self.r1, self.r2), _INITIAL_MOST[self.kind], strict=True):
            nn.init.uniform_(parameter, _LEAST, most)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Penalties:
        where = score_positions(positions, key_positions, owner="KERPLE")
        r1, r2 = (
            _within(parameter.to(positions.device, table_dtype(dtype)), most)
            for parameter, most in zip((self.r1, self.r2), _MOST[self.kind], strict=True)
        )
        return Penalties(where, r1, r2)

    def score_mod(self, prepared: Penalties) -> ScoreMod:
        positions, r1, r2 = prepared

        def penalty(batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
            difference = positions.of_query(batch, query_index) - positions.of_key(batch, key_index)
            distance = difference.abs().to(r1.dtype)
            if self.kind == "log":
                return -r1[head] * torch.log1p(r2[head] * distance)
            return -r1[head] * distance.pow(r2[head])

        return add_to_score(
            penalty, positions=positions, term=r1, num_heads=self.num_heads, owner="KERPLE"
        )

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}, kind={self.kind!r}"


def _within(value: Tensor, most: float) -> Tensor:
    """Clamp, but let the gradient through: a plain clamp would hold a head at its bound forever."""
    return value + (value.clamp(_LEAST, most) - value).detach()

"""KERPLE: a penalty on the score whose growth with distance is learned in each head."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor.encodings._bases.score import ScoreBias
from phasor.errors import ArgumentError
from phasor.positions.checks import check_count

Kind = Literal["log", "power"]

_LEAST = 1e-2
_MOST = {"log": (math.inf, math.inf), "power": (math.inf, 2.0)}
_INITIAL_MOST = {"log": (2.0, 1.0), "power": (1.0, 2.0)}


@dataclass(frozen=True)
class KERPLESpec(EncodingSpec["KERPLE"]):
    """`phasor.KERPLE` as data.

    Args:
        num_heads: Number of query heads.
        kind: `"log"`, which the paper recommends, or `"power"`.
    """

    num_heads: int
    _: KW_ONLY
    kind: Kind = "log"

    def check(self) -> None:
        check_count(
            "num_heads", self.num_heads, at_least=1, advice="pass the number of query heads"
        )
        if self.kind not in _MOST:
            raise ArgumentError(f"kind must be one of {list(_MOST)}, got {self.kind!r}")

    def in_words(self) -> str:
        how = "the logarithm" if self.kind == "log" else "a learned power"
        return (
            f"KERPLE: a learned penalty for each of {self.num_heads} heads, which grows with {how} "
            "of distance"
        )


@final
class KERPLE(ScoreBias):
    r"""A learned penalty on the attention score, logarithmic or a power of distance.

    The score of a query at $m$ and a key at $n$ changes by

    - `"log"`: $-r_1 \ln(1 + r_2\,|m - n|)$, with $r_1, r_2 \ge 0.01$;
    - `"power"`: $-r_1\,|m - n|^{r_2}$, with $r_1 \ge 0.01$ and $0.01 \le r_2 \le 2$, where ALiBi is
      $r_2 = 1$,

    and each head learns its own $r_1$ and $r_2$.

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

    spelling = "kerple"
    paper = "arXiv:2205.09921"
    formula = "score − r ln(1 + s |m − n|),  or score − r |m − n|^s;  r and s learned for each head"

    @constructed_from(KERPLESpec)
    def __init__(self, options: KERPLESpec) -> None:
        super().__init__(options.num_heads)
        self.kind: Kind = options.kind
        self.r1 = nn.Parameter(torch.empty(options.num_heads))
        self.r2 = nn.Parameter(torch.empty(options.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both anew; also what gives values after `to_empty`."""
        for parameter, most in zip((self.r1, self.r2), _INITIAL_MOST[self.kind], strict=True):
            nn.init.uniform_(parameter, _LEAST, most)

    def derive(self, r1: Tensor, r2: Tensor) -> tuple[Tensor, Tensor]:
        of_r1, of_r2 = _MOST[self.kind]
        return _within(r1, of_r1), _within(r2, of_r2)

    def bias(self, head: Tensor, m: Tensor, n: Tensor, r1: Tensor, r2: Tensor) -> Tensor:
        distance = (m - n).abs().to(r1.dtype)
        if self.kind == "log":
            return -r1[head] * torch.log1p(r2[head] * distance)
        return -r1[head] * distance.pow(r2[head])


def _within(value: Tensor, most: float) -> Tensor:
    """Clamp, but let the gradient through: a plain clamp would hold a head at its bound forever."""
    return value + (value.clamp(_LEAST, most) - value).detach()

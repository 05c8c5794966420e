"""Multiplicative GRAPE: each head turns in a plane of its own, which it learns."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.turn import QueryKeyTurn
from phasor.errors import ArgumentError


@dataclass(frozen=True)
class GRAPEMSpec(EncodingSpec["GRAPEM"]):
    """`phasor.GRAPEM` as data.

    Args:
        head_dim: Channels of each head, at least 2.
        num_heads: Heads with planes of their own: the heads of the key; under grouped-query
            attention the queries of a group share them.
        base: Head $h$ of $H$ starts with $s = b^{-h/H}$ radians per token, in a random plane; the
            paper does not say how one plane starts.
    """

    head_dim: int
    _: KW_ONLY
    num_heads: int
    base: float = 10_000.0

    def check(self) -> None:
        if self.head_dim < 2:
            raise ArgumentError(f"head_dim must be at least 2, a plane, got {self.head_dim}")
        if self.num_heads < 1:
            raise ArgumentError(f"num_heads must be at least 1, got {self.num_heads}")
        if not 0 < self.base < math.inf:
            raise ArgumentError(f"base must be positive, got {self.base}; 10000.0 is usual")

    def in_words(self) -> str:
        return (
            f"GRAPE-M: each of {self.num_heads} heads turns in one learned plane of its "
            f"{self.head_dim} channels, at a learned pace, base {number(self.base)} at first"
        )


@final
class GRAPEM(QueryKeyTurn):
    r"""Each head turns in a learned plane, at a learned pace (multiplicative GRAPE, one plane).

    At position $m$ a vector is multiplied by $\exp(m L)$, $L = a b^\top - b a^\top$ with $a$ and
    $b$ learned for each head. It turns within their plane by $m s$, where
    $s = \sqrt{|a|^2 |b|^2 - (a \cdot b)^2}$, and what is outside the plane stays:
    $\exp(mL) = I + \frac{\sin(ms)}{s} L + \frac{1 - \cos(ms)}{s^2} L^2$. Scores depend on the
    distance alone.

    The paper goes on to many planes per head. Planes along the channels with learned frequencies,
    which is what its code trains, are `phasor.rotate` with learned frequencies; planes in another
    basis are `STRING`, and planes that do not commute `LieRE`.

    Attributes:
        a: `[num_heads, head_dim]`; a parameter. The paper's $\omega$ is part of it.
        b: Likewise.

    Raises:
        ArgumentError: `head_dim` less than 2, `num_heads` less than 1, or `base` not positive.

    Source:
        Zhang et al. 2025, arXiv:2512.07805.

    Examples:
        >>> grape = phasor.GRAPEM(64, num_heads=8)
        >>> query, key = torch.randn(2, 1, 8, 10, 64)
        >>> query, key = grape.rotate(query, key, grape(torch.arange(10)))
    """

    has_parts = True
    is_relative = True
    spelling = "grape_m"
    paper = "arXiv:2512.07805"
    formula = "q ← exp(m G) q,  k ← exp(n G) k,  G = a bᵀ − b aᵀ;  a and b learned for each head"

    @constructed_from(GRAPEMSpec)
    def __init__(self, options: GRAPEMSpec) -> None:
        super().__init__(options.head_dim, options.num_heads)
        self.base = options.base
        self.a = nn.Parameter(torch.empty(options.num_heads, options.head_dim))
        self.b = nn.Parameter(torch.empty(options.num_heads, options.head_dim))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the planes anew; also what gives values after `to_empty`."""
        a, b = torch.randn(2, *self.a.shape, dtype=torch.float64, device=self.a.device)
        a /= a.norm(dim=-1, keepdim=True)
        b -= (a * b).sum(-1, keepdim=True) * a
        b /= b.norm(dim=-1, keepdim=True)
        head = torch.arange(self.num_heads, dtype=torch.float64, device=a.device)[:, None]
        root = self.base ** (-head / self.num_heads / 2)
        self.a.copy_(root * a)
        self.b.copy_(root * b)

    def table(self, positions: Tensor) -> tuple[Tensor, ...]:
        a, b = (self.of_heads(each).double() for each in (self.a, self.b))
        area = a.square().sum(-1) * b.square().sum(-1) - (a * b).sum(-1).square()
        # Parallel vectors span no plane and turn nothing; the root of 0 has no gradient.
        pace = area.clamp(min=1e-300).sqrt()
        wide = positions.double()[:, None]
        # sin(m s) / s and (1 - cos(m s)) / s^2, by functions that know their values at s = 0.
        turns = wide * pace[:, None] / math.pi
        first = wide * turns.sinc()
        second = wide.square() / 2 * (turns / 2).sinc().square()
        return first[..., None], second[..., None], a[None, :, None], b[None, :, None]

    def turn(self, x: Tensor, first: Tensor, second: Tensor, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]
        once = self._generated(x, a, b)
        return x + first * once + second * self._generated(once, a, b)

    @staticmethod
    def _generated(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """L x, by two dot products and not by a matrix."""
        return a * (b * x).sum(-1, keepdim=True) - b * (a * x).sum(-1, keepdim=True)

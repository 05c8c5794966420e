"""Scalable softmax: each head learns how its queries grow with the logarithm of the position."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor.encodings._bases.heads import check_heads
from phasor.encodings._bases.turn import QueryKeyTurn
from phasor.errors import ArgumentError


@dataclass(frozen=True)
class SSMaxSpec(EncodingSpec["SSMax"]):
    """`phasor.SSMax` as data.

    Args:
        num_heads: Query heads.
    """

    num_heads: int

    def check(self) -> None:
        if self.num_heads < 1:
            raise ArgumentError(f"num_heads must be at least 1, got {self.num_heads}")

    def in_words(self) -> str:
        return (
            "queries times a learned slope times ln(position + 1), plus a learned bias, "
            f"for each of {self.num_heads} heads"
        )


@final
class SSMax(QueryKeyTurn):
    r"""Each head learns how its queries grow with the logarithm of their position.

    The query of head $h$ at $m$, the $(m + 1)$-th token, is multiplied by $s_h \ln(m + 1) + b_h$.
    Starts as no change at all, with $s_h = 0$ and $b_h = 1$. Goes beside another encoding, in
    `Compose`, or alone in layers without one.

    Attributes:
        slope: `[num_heads]`, a parameter; $s$.
        bias: `[num_heads]`, a parameter; $b$.

    Raises:
        ArgumentError: `num_heads` less than 1.

    Source:
        Nakanishi 2025, arXiv:2501.19399, the variant with a bias, which counts the keys that a
        query sees; in this form, with initial values likewise, Mistral Large 4 in transformers
        (`MistralLarge4TextSoftmaxScaling`).

    Examples:
        >>> ssmax = phasor.SSMax(2)
        >>> with torch.no_grad():
        ...     _ = ssmax.slope.copy_(torch.tensor([0.0, 1.0]))
        >>> query = torch.ones(1, 2, 3, 1)
        >>> scaled, _ = ssmax.rotate(query, None, ssmax(torch.arange(3)))
        >>> scaled[0, 1].flatten().tolist()
        [1.0, 1.693147..., 2.098612...]
    """

    turns_key = False
    is_relative = False
    keeps_norm = False
    each_layer = True
    spelling = "ssmax"
    compared = False
    paper = "arXiv:2501.19399"
    formula = "q ← q · (s ln(m + 1) + b);  s and b learned for each head"

    @constructed_from(SSMaxSpec)
    def __init__(self, options: SSMaxSpec) -> None:
        super().__init__(num_heads=options.num_heads)
        self.slope = nn.Parameter(torch.empty(self.num_heads))
        self.bias = nn.Parameter(torch.empty(self.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No growth; also what gives values after `to_empty`."""
        nn.init.zeros_(self.slope)
        nn.init.ones_(self.bias)

    def table(self, positions: Tensor) -> tuple[Tensor, ...]:
        # Positions before the first token, as padding may have, have no logarithm: as if first.
        log = positions.double().clamp(min=0).log1p()[:, None, :, None]
        slope, bias = (self.of_heads(each)[:, None, None] for each in (self.slope, self.bias))
        return log, slope[None].to(log.device), bias[None].to(log.device)

    def turn(self, x: Tensor, log: Tensor, slope: Tensor, bias: Tensor) -> Tensor:  # type: ignore[override]
        check_heads(x.shape[1] * x.shape[2], self.num_heads, owner="SSMax")
        return x * (slope * log + bias)

"""FIRE: a small network that sees distance as a share of how far the query could look back."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.score import ScoreBias
from phasor.encodings._handed_out import HandedOut
from phasor.errors import ArgumentError
from phasor.positions.checks import check_count

# The authors', so that a threshold of 0 divides nothing by 0.
_EPS = 1e-6


class Network(NamedTuple):
    """$c$, $L$, and weight and bias of the two layers."""

    c: Tensor
    threshold: Tensor
    hidden_weight: Tensor
    hidden_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor


@dataclass(frozen=True)
class FIRESpec(EncodingSpec["FIRE"]):
    """`phasor.FIRE` as data.

    Args:
        num_heads: Number of query heads.
        mlp_width: Channels of the hidden layer, with ReLU.
        c: Initial value of $c$, not 0.
        threshold: Initial value of $L$. What is learned is a factor on it.
    """

    num_heads: int
    _: KW_ONLY
    mlp_width: int = 32
    c: float = 0.1
    threshold: float = 512.0

    def check(self) -> None:
        check_count(
            "num_heads", self.num_heads, at_least=1, advice="pass the number of query heads"
        )
        check_count("mlp_width", self.mlp_width, at_least=1, advice="32 is usual")
        for name, value, usual in (("c", self.c, 0.1), ("threshold", self.threshold, 512.0)):
            if not 0 < value < math.inf:
                raise ArgumentError(f"{name} must be positive, got {value}; {usual} is the paper's")

    def in_words(self) -> str:
        return (
            f"FIRE: a learned function of log-scaled distance for each of {self.num_heads} heads, "
            "ln(1 + c distance) / ln(1 + c max(L, position)) through "
            f"{number(self.mlp_width)} hidden channels, with c = {number(self.c)} and "
            f"L = {number(self.threshold)} at first"
        )


@final
class FIRE(ScoreBias):
    r"""A learned function of distance relative to the query's position, added to the score.

    The score of a query at $m$ and a key at $n$ changes, in head $h$, by

    $$f_h\!\left(\frac{\psi(m - n)}{\psi(\max(L, m))}\right), \qquad \psi(x) = \ln(1 + |c\,x|),$$

    where $f$ is a network with one hidden layer and an output for each head, and $c$ and $L$ are
    learned too. Beyond $L$ the same distance matters less the later the query: for a key before the
    query the input never leaves 0 to 1, however long the text, but it is no longer a function of
    distance alone.

    Attributes:
        c: `[1]`, a parameter.
        threshold_factor: `[1]`, a parameter; $L$ as a multiple of `threshold`.
        hidden: The layer from the ratio to `mlp_width` channels.
        out: The layer from these to the heads.

    Raises:
        ArgumentError: A size less than 1, or `c` or `threshold` that is not positive.

    Source:
        Li et al. 2023, arXiv:2310.04418; sizes, initial values, the absolute values and $10^{-6}$
        on the denominator are those of the code of McLeish et al. 2024, arXiv:2405.17399. FIRE is
        causal, with positions that count from 0. A key after the query counts by its distance, as
        in that code, and one more than $\max(L, m)$ away gives an input beyond 1.

    Examples:
        >>> fire = phasor.FIRE(8)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, fire).shape
        torch.Size([1, 8, 10, 64])
    """

    is_relative = False
    spelling = "fire"
    paper = "arXiv:2310.04418"
    formula = "score + fₕ(ψ(m − n) / ψ(max(L, m))),  ψ(z) = ln(1 + |c z|);  fₕ, c and L learned"

    @constructed_from(FIRESpec)
    def __init__(self, options: FIRESpec) -> None:
        super().__init__(options.num_heads)
        self.initial_c = options.c
        self.threshold = options.threshold
        self.c = nn.Parameter(torch.empty(1))
        self.threshold_factor = nn.Parameter(torch.empty(1))
        self.hidden = HandedOut(1, options.mlp_width)
        self.out = HandedOut(options.mlp_width, options.num_heads)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the network anew; also what gives values after `to_empty`."""
        nn.init.constant_(self.c, self.initial_c)
        nn.init.ones_(self.threshold_factor)
        self.hidden.reset_parameters()
        self.out.reset_parameters()

    def terms(self) -> tuple[Tensor, ...]:
        return self.c, self.threshold_factor, *self.hidden(), *self.out()

    def derive(self, c: Tensor, factor: Tensor, hidden: Tensor, *rest: Tensor) -> Network:
        # Without their axis: FlexAttention wants a score without one.
        threshold = (factor * self.threshold).abs().squeeze(0)
        return Network(c.squeeze(0), threshold, hidden.squeeze(1), *rest)

    def bias(self, head: Tensor, m: Tensor, n: Tensor, *terms: Tensor) -> Tensor:
        network = Network(*terms)
        ratio = _ratio(m, n, network)
        return (_outputs if head.ndim == 4 else _output)(ratio, head, network)


def _ratio(m: Tensor, n: Tensor, network: Network) -> Tensor:
    c, threshold = network.c, network.threshold
    # Subtracted before they are rounded: positions may be wider than the table.
    reach = torch.maximum(m.to(c.dtype), threshold)
    return torch.log1p((c * (m - n).to(c.dtype)).abs()) / (torch.log1p((c * reach).abs()) + _EPS)


def _outputs(ratio: Tensor, head: Tensor, network: Network) -> Tensor:
    """Of all heads at once, from `ratio` `[batch, 1, seq, key_seq]`."""
    hidden = (ratio.squeeze(1).unsqueeze(-1) * network.hidden_weight + network.hidden_bias).relu()
    heads = head.flatten()
    # Autocast would round the operands of this product, which decide between positions.
    with torch.autocast(ratio.device.type, enabled=False):
        out = hidden @ network.out_weight[heads].T + network.out_bias[heads]
    return out.movedim(-1, 1)


def _output(ratio: Tensor, head: Tensor, network: Network) -> Tensor:
    """Of one head for each score: elementwise steps alone, as FlexAttention wants them."""
    out = network.out_bias[head]
    for channel, (weight, bias) in enumerate(
        zip(network.hidden_weight, network.hidden_bias, strict=True)
    ):
        out = out + network.out_weight[head, channel] * (ratio * weight + bias).relu()
    return out

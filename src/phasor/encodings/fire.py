"""FIRE: a small network that sees distance as a share of how far the query could look back."""

import math
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._handed_out import HandedOut
from phasor.encodings.relative import ScorePositions, add_to_score, score_positions
from phasor.errors import ArgumentError
from phasor.rotary.phase import table_dtype

# The authors', so that a threshold of 0 divides nothing by 0.
_EPS = 1e-6


class Network(NamedTuple):
    """Where queries and keys are, $c$, $L$, and weight and bias of the two layers."""

    positions: ScorePositions
    c: Tensor
    threshold: Tensor
    hidden_weight: Tensor
    hidden_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor


@final
class FIRE(PositionEncoding):
    r"""A learned function of distance relative to the query's position, added to the score.

    The score of a query at $m$ and a key at $n$ changes, in head $h$, by

    $$f_h\!\left(\frac{\psi(m - n)}{\psi(\max(L, m))}\right), \qquad \psi(x) = \ln(1 + |c\,x|),$$

    where $f$ is a network with one hidden layer and an output for each head, and $c$ and $L$ are
    learned too. Beyond $L$ the same distance matters less the later the query: for a key before the
    query the input never leaves 0 to 1, however long the text, but it is no longer a function of
    distance alone.

    Args:
        num_heads: Number of query heads.
        mlp_width: Channels of the hidden layer, with ReLU.
        c: Initial value of $c$, not 0.
        threshold: Initial value of $L$. What is learned is a factor on it.

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

    sites = frozenset({"score"})
    score_is_bias = True
    is_relative = False
    spelling = "fire"
    paper = "arXiv:2310.04418"

    def __init__(
        self, num_heads: int, *, mlp_width: int = 32, c: float = 0.1, threshold: float = 512.0
    ) -> None:
        super().__init__()
        for name, size in (("num_heads", num_heads), ("mlp_width", mlp_width)):
            if size < 1:
                raise ArgumentError(f"{name} must be at least 1, got {size}")
        for name, value, usual in (("c", c, 0.1), ("threshold", threshold, 512.0)):
            if not 0 < value < math.inf:
                raise ArgumentError(f"{name} must be positive, got {value}; {usual} is the paper's")
        self.num_heads = num_heads
        self.initial_c = c
        self.threshold = threshold
        self.c = nn.Parameter(torch.empty(1))
        self.threshold_factor = nn.Parameter(torch.empty(1))
        self.hidden = HandedOut(1, mlp_width)
        self.out = HandedOut(mlp_width, num_heads)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the network anew; also what gives values after `to_empty`."""
        nn.init.constant_(self.c, self.initial_c)
        nn.init.ones_(self.threshold_factor)
        self.hidden.reset_parameters()
        self.out.reset_parameters()

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Network:
        where = score_positions(positions, key_positions, owner="FIRE")
        c, factor, hidden_weight, hidden_bias, out_weight, out_bias = (
            parameter.to(positions.device, table_dtype(dtype), copy=True)
            for parameter in (
                self.c,
                self.threshold_factor,
                *self.hidden(),
                *self.out(),
            )
        )
        # Without their axis: FlexAttention wants a score without one.
        c, threshold = c.squeeze(0), (factor * self.threshold).abs().squeeze(0)
        return Network(
            where, c, threshold, hidden_weight.squeeze(1), hidden_bias, out_weight, out_bias
        )

    def score_mod(self, prepared: Network) -> ScoreMod:
        positions = prepared.positions

        def output(batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor) -> Tensor:
            m, n = positions.of_query(batch, query_index), positions.of_key(batch, key_index)
            ratio = _ratio(m, n, prepared)
            if head.ndim == 4:
                return _outputs(ratio, head, prepared)
            return _output(ratio, head, prepared)

        return add_to_score(
            output, positions=positions, term=prepared.c, num_heads=self.num_heads, owner="FIRE"
        )

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}, c={self.initial_c}, threshold={self.threshold}"


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

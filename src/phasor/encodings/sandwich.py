"""Sandwich: the inner product of sinusoidal encodings, alone, as a bias on the score."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._sizes import check_channels
from phasor._words import number
from phasor.encodings._bases.score import ScoreBias, ScorePositions
from phasor.errors import ArgumentError
from phasor.positions.checks import check_count
from phasor.rotary import cos_sin, geometric
from phasor.rotary.frequencies import check_geometric
from phasor.rotary.phase import table_dtype

_RADIANS_PER_FRACTION = 2 * math.pi / 2**64


class Sinusoids(NamedTuple):
    """Where queries and keys are, a zero, their sinusoidal encodings, and a gain per head.

    `operand` `[frequencies]` is what the angle of each cosine grows by per position.
    """

    positions: ScorePositions
    zero: Tensor
    query: Tensor
    key: Tensor
    operand: Tensor
    gains: Tensor


@dataclass(frozen=True)
class SandwichSpec(EncodingSpec["Sandwich"]):
    r"""`phasor.Sandwich` as data.

    Args:
        num_heads: $H$, the number of query heads.
        sinusoidal_dim: $\bar d$, channels of the sinusoidal encoding; even, and independent of the
            width of the model.
        base: $b$.
    """

    num_heads: int
    _: KW_ONLY
    sinusoidal_dim: int = 128
    base: float = 10_000.0

    def check(self) -> None:
        check_count(
            "num_heads", self.num_heads, at_least=1, advice="pass the number of query heads"
        )
        if self.sinusoidal_dim < 2 or self.sinusoidal_dim % 2:
            raise ArgumentError(
                "sinusoidal_dim must be even, a sine and a cosine for each frequency, got "
                f"{self.sinusoidal_dim}; 128 is the paper's"
            )
        check_channels(sinusoidal_dim=self.sinusoidal_dim)
        check_geometric(self.sinusoidal_dim, self.base)

    def in_words(self) -> str:
        return (
            f"Sandwich: the inner product of two sinusoids, {number(self.sinusoidal_dim)} "
            f"channels, base {number(self.base)}, for {self.num_heads} heads with gains from "
            f"{number(self.num_heads / 8)} to 0.125"
        )


@final
class Sandwich(ScoreBias):
    r"""A fixed bias on the attention score that falls with the logarithm of distance.

    The score of a query at $m$ and a key at $n$ changes, in head $h = 1 \dots H$, by

    $$\frac{H}{8h} \sum_{i=0}^{\bar d/2 - 1} \cos((m - n)\,\omega_i),
    \qquad \omega_i = b^{-2i/\bar d}.$$

    The sum is the inner product of the sinusoidal encodings of $m$ and $n$, without that of any
    token. Nothing is learned.

    Raises:
        ArgumentError: `num_heads` is less than 1, `sinusoidal_dim` odd or not positive, or `base`
            not positive.

    Source:
        Chi et al. 2022, arXiv:2212.10356. That inner products are divided by $8h/H$, as ALiBi's
        exponents grow, is as PyTorch's attention-gym derives it.

    Examples:
        >>> sandwich = phasor.Sandwich(8)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, sandwich).shape
        torch.Size([1, 8, 10, 64])
    """

    spelling = "sandwich"
    paper = "arXiv:2212.10356"
    formula = (
        "score + (H / 8h) Σᵢ cos((m − n) ωᵢ),  ωᵢ = base^(−2i / sinusoidal_dim);  "
        "h from 1 to H heads"
    )

    @constructed_from(SandwichSpec)
    def __init__(self, options: SandwichSpec) -> None:
        super().__init__(options.num_heads)
        self.sinusoidal_dim = options.sinusoidal_dim
        self.base = options.base
        # Neither is a buffer: .to(bfloat16) would round them, to_empty() would lose them.
        self.frequencies = geometric(options.sinusoidal_dim, options.base)
        heads = torch.arange(1, options.num_heads + 1, dtype=torch.float64, device="cpu")
        self.gains = options.num_heads / (8 * heads)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Sinusoids:
        where = self.where(positions, key_positions)
        # Floats if either is: the operand must suit their difference.
        between = where.key if where.key.is_floating_point() else where.query
        operand = self.frequencies.operand(between).flatten()
        gains = self.gains.to(positions.device, table_dtype(dtype))
        query = self._encode(where.query)
        key = query if where.key is where.query else self._encode(where.key)
        return Sinusoids(where, gains.new_zeros(()), query, key, operand, gains)

    def bias_at(
        self,
        prepared: Sinusoids,
        batch: Tensor,
        head: Tensor,
        query_index: Tensor,
        key_index: Tensor,
    ) -> Tensor:
        positions, _, query, key, operand, gains = prepared
        if key_index.ndim > 1 and query_index.shape[-1] == key_index.shape[-2] == 1:
            # Rows against columns: one product of matrices instead of a cosine per pair.
            products = _inner_products(
                _rows_at(query, batch, query_index), _rows_at(key, batch, key_index)
            ).to(gains.dtype)
        else:
            m, n = positions.of_query(batch, query_index), positions.of_key(batch, key_index)
            products = _sum_of_cosines(m - n, operand, gains.dtype)
        return gains[head] * products

    def _encode(self, positions: Tensor) -> Tensor:
        """`[1 or batch, seq, channels]`, float64: all cosines, then all sines."""
        encoded = torch.cat(cos_sin(positions, self.frequencies, dtype=torch.float64), dim=-1)
        return encoded if encoded.ndim == 3 else encoded.unsqueeze(0)


def _rows_at(rows: Tensor, batch: Tensor, index: Tensor) -> Tensor:
    return rows[batch if len(rows) > 1 else torch.zeros_like(batch), index]


def _inner_products(query: Tensor, key: Tensor) -> Tensor:
    """Of gathered `[..., queries, 1, channels]` and `[..., 1, keys, channels]`.

    In float64, which neither autocast nor TF32 rounds.
    """
    return query.squeeze(-2) @ key.squeeze(-3).transpose(-1, -2)


def _sum_of_cosines(distance: Tensor, operand: Tensor, dtype: torch.dtype) -> Tensor:
    """The same from the distance, one frequency after the other: nothing but elementwise steps."""
    total = torch.zeros((), dtype=dtype, device=distance.device)
    for step in operand:
        angle = distance * step
        if operand.is_floating_point():
            total = total + angle.cos().to(dtype)
        else:
            # A product of integers that wraps has dropped whole turns: exact at any distance.
            total = total + (angle.to(dtype) * _RADIANS_PER_FRACTION).cos()
    return total

"""Attention with linear biases: a penalty on the score that grows with distance."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

import torch
from torch import Tensor

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.score import ScoreBias
from phasor.errors import ArgumentError
from phasor.positions.checks import check_count


def alibi_slopes(num_heads: int) -> list[float]:
    r"""The authors' slopes, one per head, for any number of heads.

    For a power of two, $2^{-8h/H}$ with $h = 1 \dots H$. For any other number, the slopes of the
    next smaller power of two, then every second slope of the next larger one, as many as lack.

    Args:
        num_heads: $H$, at least 1.

    Returns:
        Positive slopes, steepest first within each of the two groups.

    Raises:
        ArgumentError: `num_heads` is less than 1.

    Source:
        Press et al. 2021, arXiv:2108.12409, section 3; the rule for other numbers is in the
        authors' code alone. Several libraries use $2^{-8h/H}$ for every $H$: wrong for 12 heads by
        up to 0.69.

    Examples:
        >>> from phasor.encodings.alibi import alibi_slopes
        >>> alibi_slopes(6)
        [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
    """
    check_count("num_heads", num_heads, at_least=1, advice="pass the number of query heads")
    smaller = 2 ** math.floor(math.log2(num_heads))
    slopes = [2.0 ** (-8 * head / smaller) for head in range(1, smaller + 1)]
    larger = [2.0 ** (-4 * head / smaller) for head in range(1, 2 * smaller + 1)]
    return slopes + larger[::2][: num_heads - smaller]


def _rounded_slopes(num_heads: int) -> Tensor:
    """Falcon's: powers in float32 of a base in float32, whose error moves some to a neighbour."""
    smaller = 2 ** math.floor(math.log2(num_heads))
    powers = torch.arange(1, smaller + 1, dtype=torch.int32, device="cpu")
    odd = 2 * torch.arange(num_heads - smaller, dtype=torch.int32, device="cpu") + 1
    slopes = [
        torch.tensor(2.0 ** (-8 / smaller), dtype=torch.float32, device="cpu").pow(powers),
        torch.tensor(2.0 ** (-4 / smaller), dtype=torch.float32, device="cpu").pow(odd),
    ]
    return torch.cat(slopes).bfloat16().double()


@dataclass(frozen=True)
class ALiBiSpec(EncodingSpec["ALiBi"]):
    r"""`phasor.ALiBi` as data.

    Args:
        num_heads: Number of query heads, each of which gets its own slope.
        scale: Factor on all slopes. Falcon divides scores after adding the penalty, so there it is
            $1/\sqrt{d}$, with $d$ the channels of a head.
        precision: `"exact"`, or `"bfloat16"` as in Falcon: slope, position of the key and their
            product are each rounded to bfloat16, and the product is added instead of a distance.
            The same for the softmax of a causal model, were it not for the rounding, which makes
            neighbours beyond position 256 indistinguishable: it is what the weights know.
    """

    num_heads: int
    _: KW_ONLY
    scale: float = 1.0
    precision: Literal["exact", "bfloat16"] = "exact"

    def check(self) -> None:
        check_count(
            "num_heads", self.num_heads, at_least=1, advice="pass the number of query heads"
        )
        if not 0 < self.scale < math.inf:
            raise ArgumentError(f"scale must be positive, got {self.scale}; 1.0 is the paper's")
        if self.precision not in ("exact", "bfloat16"):
            raise ArgumentError(f"precision must be 'exact' or 'bfloat16', got {self.precision!r}")

    def in_words(self) -> str:
        slopes = [self.scale * slope for slope in alibi_slopes(self.num_heads)]
        rounded = ", rounded to bfloat16" if self.precision == "bfloat16" else ""
        return (
            f"ALiBi: {self.num_heads} heads with slopes from {number(max(slopes))} to "
            f"{number(min(slopes))}{rounded}"
        )


@final
class ALiBi(ScoreBias):
    r"""A penalty on the attention score, linear in distance.

    The score of a query at $m$ and a key at $n$ changes by $-s_h\,|m - n|$ in head $h$.

    Raises:
        ArgumentError: `num_heads` is less than 1, `scale` is not positive, or an unknown precision.

    Source:
        Press et al. 2021, arXiv:2108.12409, section 3. The paper is causal, where $m \ge n$; the
        absolute value keeps its meaning without a causal mask.

    Examples:
        >>> alibi = phasor.ALiBi(8)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, alibi).shape
        torch.Size([1, 8, 10, 64])
    """

    spelling = "alibi"
    paper = "arXiv:2108.12409"
    formula = "score − slopeₕ · |m − n|"

    @constructed_from(ALiBiSpec)
    def __init__(self, options: ALiBiSpec) -> None:
        super().__init__(options.num_heads)
        self.scale = options.scale
        self.precision = options.precision
        # Not a buffer: .to(bfloat16) would round the slopes, to_empty() would lose them.
        slopes = alibi_slopes(options.num_heads)
        self.slopes = torch.tensor(slopes, dtype=torch.float64, device="cpu")
        if options.precision == "bfloat16":
            self.slopes = _rounded_slopes(options.num_heads)
            self.is_relative = False

    @property
    def alibi_slopes(self) -> Tensor:
        """`[num_heads]` float32, for attention that knows ALiBi itself; `.to` the query's device.

        FlashAttention's `alibi_slopes`: it adds `-slope * |i + key_seq - seq - j|` to the score of
        query `i` and key `j`, which is this encoding where positions count tokens.

        Raises:
            NotImplementedError: `precision="bfloat16"`, whose rounding no slope expresses.
        """
        if self.precision != "exact":
            raise NotImplementedError(
                f"precision={self.precision!r} rounds products, which slopes alone cannot say; "
                "use phasor.attention"
            )
        slopes = self.of_heads(self.slopes)
        return (self.scale * slopes).float()

    def terms(self) -> tuple[Tensor]:
        return (self.slopes,)

    def bias(self, head: Tensor, m: Tensor, n: Tensor, slopes: Tensor) -> Tensor:
        if self.precision == "bfloat16":
            # Slopes are of bfloat16 already; the product rounds once more.
            rounded = slopes[head].bfloat16() * n.bfloat16()
            return self.scale * rounded.to(slopes.dtype)
        return -self.scale * slopes[head] * (m - n).abs().to(slopes.dtype)

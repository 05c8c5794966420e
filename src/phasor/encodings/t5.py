"""T5's relative bias: a learned number per head for each bucket of distances."""

from dataclasses import KW_ONLY, dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.score import ScoreBias
from phasor.errors import ArgumentError
from phasor.positions.checks import check_count

# Which bucket a distance is in is found in whole numbers of as many digits.
_MOST_IN_BUCKETS = 2**22


def distance_buckets(num_buckets: int, max_distance: int) -> list[int]:
    r"""The bucket of each distance from 0 to `max_distance`, in one direction.

    The first half of the buckets, $E$ of $B$, have one distance each. Distance $n \ge E$ goes to
    $E + \lfloor (B - E) \ln(n/E) / \ln(D/E) \rfloor$, at most $B - 1$. Found in whole numbers, so
    that no rounding of a logarithm moves a boundary.

    Args:
        num_buckets: $B$, at least 2.
        max_distance: $D$, greater than $E$; all longer distances share the last bucket.

    Raises:
        ArgumentError: Too few buckets, or a `max_distance` within the first half of them.

    Source:
        Raffel et al. 2019, arXiv:1910.10683, section 2.1, and the authors' code.

    Examples:
        >>> from phasor.encodings.t5 import distance_buckets
        >>> distance_buckets(8, 16)
        [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 7]
    """
    exact = num_buckets // 2
    if num_buckets < 2 or max_distance <= exact:
        raise ArgumentError(
            "there must be at least two buckets for each direction, and max_distance must be more "
            f"than half of them, got {num_buckets} buckets and max_distance={max_distance}"
        )
    bucket_of = list(range(exact))
    rest, bucket = num_buckets - exact, exact
    for distance in range(exact, max_distance + 1):
        # (n/E)^(B-E) >= (D/E)^j says that n has reached bucket E + j.
        while bucket < num_buckets - 1 and (
            distance**rest * exact ** (bucket + 1 - exact)
            >= max_distance ** (bucket + 1 - exact) * exact**rest
        ):
            bucket += 1
        bucket_of.append(bucket)
    return bucket_of


@dataclass(frozen=True)
class T5BiasSpec(EncodingSpec["T5Bias"]):
    """`phasor.T5Bias` as data.

    Args:
        num_heads: Number of query heads.
        num_buckets: Rows of the table, of both directions together.
        max_distance: From here on all distances share the last bucket.
        bidirectional: Give half of the buckets to keys after the query, as encoders do. Otherwise
            those all get the bucket of distance 0.
        shared: Whether all layers of a model share one table, as in T5; in UMT5 each has its own.

    Attributes:
        buckets: Of each distance, in one direction.
    """

    num_heads: int
    _: KW_ONLY
    num_buckets: int = 32
    max_distance: int = 128
    bidirectional: bool = False
    shared: bool = True
    buckets: tuple[int, ...] = field(init=False, repr=False, compare=False)

    @property
    def each_layer(self) -> bool:
        return not self.shared

    def check(self) -> None:
        check_count(
            "num_heads", self.num_heads, at_least=1, advice="pass the number of query heads"
        )
        if self.num_buckets * self.max_distance > _MOST_IN_BUCKETS:
            raise ArgumentError(
                f"num_buckets * max_distance must be at most {_MOST_IN_BUCKETS}, got "
                f"{self.num_buckets} buckets of distances up to {self.max_distance}; T5 has 32 "
                "and 128"
            )
        one_way = self.num_buckets // 2 if self.bidirectional else self.num_buckets
        object.__setattr__(self, "buckets", tuple(distance_buckets(one_way, self.max_distance)))

    def in_words(self) -> str:
        return (
            f"T5 bias: {self.num_buckets} learned buckets for {self.num_heads} heads, one for all "
            f"distances from {number(self.max_distance)} on, "
            f"{'both directions' if self.bidirectional else 'backwards'}, "
            f"{'one table for all layers' if self.shared else 'a table in each layer'}"
        )


@final
class T5Bias(ScoreBias):
    r"""A learned bias on the score for each head and bucket of distances.

    Near distances have a bucket each, far ones share buckets that grow with the logarithm; see
    `distance_buckets`.

    Raises:
        ArgumentError: A number out of its range.

    Source:
        Raffel et al. 2019, arXiv:1910.10683, section 2.1, and the authors' code. T5 does not divide
        scores by $\sqrt{d}$, and its layers share one table; in UMT5 each has its own.

    Examples:
        >>> bias = phasor.T5Bias(8)
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, bias).shape
        torch.Size([1, 8, 10, 64])
    """

    integer_positions = True
    spelling = "t5"
    paper = "arXiv:1910.10683"
    formula = "score + Bₕ[bucket(m − n)];  B learned"

    @constructed_from(T5BiasSpec)
    def __init__(self, options: T5BiasSpec) -> None:
        super().__init__(options.num_heads)
        self.num_buckets = options.num_buckets
        self.max_distance = options.max_distance
        self.bidirectional = options.bidirectional
        self.each_layer = options.each_layer
        buckets = options.buckets
        one_way = options.num_buckets // 2
        # Keys after the query first, nearest last; so distance + max_distance is the index.
        after = [bucket + one_way for bucket in buckets[:0:-1]] if options.bidirectional else []
        after = after or [0] * options.max_distance
        # Not a buffer: to_empty() would lose it.
        self.bucket_of = torch.tensor([*after, *buckets], device="cpu")
        self.weight = nn.Parameter(torch.empty(options.num_buckets, options.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No bias anywhere; also what gives the table values after `to_empty`."""
        nn.init.zeros_(self.weight)

    def terms(self) -> tuple[Tensor, Tensor]:
        return self.bucket_of, self.weight

    def bias(self, head: Tensor, m: Tensor, n: Tensor, bucket_of: Tensor, weight: Tensor) -> Tensor:
        far = self.max_distance
        return weight[bucket_of[(m - n).clamp(-far, far) + far], head]

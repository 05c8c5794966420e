"""T5's relative bias: a learned number per head for each bucket of distances."""

from typing import final

import torch
from torch import Tensor, nn

from phasor.encodings._bases.score import ScoreBias
from phasor.errors import ArgumentError


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


@final
class T5Bias(ScoreBias):
    r"""A learned bias on the score for each head and bucket of distances.

    Near distances have a bucket each, far ones share buckets that grow with the logarithm; see
    `distance_buckets`.

    Args:
        num_heads: Number of query heads.
        num_buckets: Rows of the table, of both directions together.
        max_distance: From here on all distances share the last bucket.
        bidirectional: Give half of the buckets to keys after the query, as encoders do. Otherwise
            those all get the bucket of distance 0.

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

    def __init__(
        self,
        num_heads: int,
        *,
        num_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(num_heads)
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        one_way = num_buckets // 2 if bidirectional else num_buckets
        buckets = distance_buckets(one_way, max_distance)
        # Keys after the query first, nearest last; so distance + max_distance is the index.
        after = [bucket + one_way for bucket in buckets[:0:-1]] if bidirectional else []
        after = after or [0] * max_distance
        # Not a buffer: to_empty() would lose it.
        self.bucket_of = torch.tensor([*after, *buckets], device="cpu")
        self.weight = nn.Parameter(torch.empty(num_buckets, num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No bias anywhere; also what gives the table values after `to_empty`."""
        nn.init.zeros_(self.weight)

    def terms(self) -> tuple[Tensor, Tensor]:
        return self.bucket_of, self.weight

    def bias(self, head: Tensor, m: Tensor, n: Tensor, bucket_of: Tensor, weight: Tensor) -> Tensor:
        far = self.max_distance
        return weight[bucket_of[(m - n).clamp(-far, far) + far], head]

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, num_buckets={self.num_buckets}, "
            f"max_distance={self.max_distance}, bidirectional={self.bidirectional}"
        )

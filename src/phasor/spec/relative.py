"""Encodings that learn vectors of distances, as a spec states them: shapes, not numbers.

Each layer has tables and projections of its own, which `build` makes untrained.
"""

from dataclasses import dataclass

from phasor.encodings import DeBERTa, RelativeLogits, ScoreTemperature, Shaw, TransformerXL
from phasor.spec.sizes import check_builds, check_channels, check_tokens


@dataclass(frozen=True, kw_only=True)
class ShawSpec:
    """`phasor.Shaw`.

    Args:
        head_dim: Channels of each head.
        max_distance: Keys further back share a vector.
        max_ahead: Keys further ahead share a vector.
    """

    head_dim: int
    max_distance: int
    max_ahead: int

    def __post_init__(self) -> None:
        check_channels(head_dim=self.head_dim)
        check_builds(self)

    def build(self) -> Shaw:
        """The module, with an untrained table."""
        return Shaw(self.head_dim, max_distance=self.max_distance, max_ahead=self.max_ahead)


@dataclass(frozen=True, kw_only=True)
class TransformerXLSpec:
    """`phasor.TransformerXL`.

    Args:
        dim: Channels of the sinusoid.
        head_dim: Channels of each head.
        num_heads: Of the query.
        base: Of the wavelengths.
    """

    dim: int
    head_dim: int
    num_heads: int
    base: float = 10_000.0

    def __post_init__(self) -> None:
        check_channels(dim=self.dim, head_dim=self.head_dim, num_heads=self.num_heads)
        check_builds(self)

    def build(self) -> TransformerXL:
        """The module, with untrained projections."""
        return TransformerXL(self.dim, self.head_dim, self.num_heads, base=self.base)


@dataclass(frozen=True, kw_only=True)
class DeBERTaSpec:
    """`phasor.DeBERTa`.

    Args:
        dim: Channels of the vectors.
        head_dim: Channels of each head.
        num_heads: Of the query.
        max_distance: Distances from here on share a vector, in each direction.
        num_buckets: Of each direction; `None` for a vector for each distance.
    """

    dim: int
    head_dim: int
    num_heads: int
    max_distance: int = 512
    num_buckets: int | None = None

    def __post_init__(self) -> None:
        check_channels(dim=self.dim, head_dim=self.head_dim, num_heads=self.num_heads)
        check_builds(self)

    def build(self) -> DeBERTa:
        """The module, with an untrained table and projections."""
        return DeBERTa(
            self.dim,
            self.head_dim,
            self.num_heads,
            max_distance=self.max_distance,
            num_buckets=self.num_buckets,
        )


@dataclass(frozen=True, kw_only=True)
class RelativeLogitsSpec:
    """`phasor.RelativeLogits`.

    Args:
        dim: Channels of the layer's input.
        num_heads: Of the query.
        extent: Distances that have a bias.
        rank: Profiles in the bank.
    """

    dim: int
    num_heads: int
    extent: int
    rank: int

    def __post_init__(self) -> None:
        check_channels(dim=self.dim, num_heads=self.num_heads)
        check_builds(self)

    def build(self) -> RelativeLogits:
        """The module, with an untrained mix and bank."""
        return RelativeLogits(self.dim, self.num_heads, extent=self.extent, rank=self.rank)


@dataclass(frozen=True, kw_only=True)
class ScoreTemperatureSpec:
    """`phasor.ScoreTemperature`.

    Args:
        original_seq_len: Tokens within which nothing grows.
        coefficient: Of the logarithm.
    """

    original_seq_len: int
    coefficient: float = 0.1

    def __post_init__(self) -> None:
        check_tokens(original_seq_len=self.original_seq_len)
        check_builds(self)

    def build(self) -> ScoreTemperature:
        """The module."""
        return ScoreTemperature(self.original_seq_len, coefficient=self.coefficient)


RelativeSpec = ShawSpec | TransformerXLSpec | DeBERTaSpec | RelativeLogitsSpec
"""What each layer learns for itself."""

"""Each encoding as a spec states it: frozen, comparable, and able to build the module."""

from dataclasses import dataclass
from typing import Literal

from phasor.encodings import ALiBi, Learned, QueryTemperature, Rotary, Sinusoidal, SSMax, T5Bias
from phasor.encodings.sinusoidal import Wave
from phasor.encodings.temperature import Growth
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions.checks import check_count
from phasor.rotary.layout import Layout, RotarySlice
from phasor.rotary.phase import Precision
from phasor.rotary.scaling import BY_NAME, LengthScaling, Scaling
from phasor.spec.frequencies import FrequencySpec, SectionsSpec
from phasor.spec.sizes import (
    check_builds,
    check_channels,
    check_rotates,
    check_tokens,
)

# Which bucket a distance is in is found in whole numbers of as many digits.
_MOST_IN_BUCKETS = 2**22


@dataclass(frozen=True, kw_only=True)
class RotarySpec:
    """`phasor.Rotary`.

    Args:
        head_dim: Channels of each query and key head. Where a head is put together from a part
            that turns and one that does not (DeepSeek), of both parts together.
        frequencies: The rule they follow before scaling.
        scaling: How the context was extended; any of `phasor.scaling`.
        sections: For several axes that share one progression (M-RoPE).
        layout: Which channels form a pair.
        rotary_slice: Which channels turn.

    Raises:
        ArgumentError: What `phasor.Rotary` refuses, or a scaling that depends on the length
            together with sections.
        ArgumentTypeError: A scaling that has no name.
    """

    head_dim: int
    frequencies: FrequencySpec
    scaling: Scaling | LengthScaling | None = None
    sections: SectionsSpec | None = None
    layout: Layout = "half"
    rotary_slice: RotarySlice = "leading"

    def __post_init__(self) -> None:
        if self.sections is not None and isinstance(self.scaling, LengthScaling):
            raise ArgumentError(
                f"sections of frequencies that depend on the length have no rule, got scaling "
                f"{self.scaling}; settle it with .at(seq_len)"
            )
        known = tuple(BY_NAME.values())
        if self.scaling is not None and not isinstance(self.scaling, known):
            raise ArgumentTypeError(
                f"a spec names its scaling, one of {', '.join(BY_NAME)}, got {self.scaling!r}; "
                "for frequencies of your own pass frequencies=ExplicitSpec(...)"
            )
        check_channels(head_dim=self.head_dim)
        check_rotates(self)  # so that what cannot work fails where it is written down

    def build(self, *, precision: Precision = "exact") -> Rotary:
        """The module; see `phasor.cos_sin` for `precision`."""
        scaling = self.scaling
        if self.sections is not None:
            assert not isinstance(scaling, LengthScaling)
            scaling = self.sections.after(scaling)
        built = Rotary(
            self.head_dim,
            frequencies=self.frequencies.build(),
            scaling=scaling,
            layout=self.layout,
            rotary_slice=self.rotary_slice,
            precision=precision,
        )
        # Not the function that applies sections after it; those `repr` finds by itself.
        built.scaled_by = None if self.scaling is None else repr(self.scaling)
        return built


@dataclass(frozen=True, kw_only=True)
class QueryTemperatureSpec:
    """`phasor.QueryTemperature`.

    Args:
        original_seq_len: Tokens in each run of one temperature.
        coefficient: Of the logarithm.
        offset: Added to the position.
        growth: By steps of the logarithm, or as a power.
    """

    original_seq_len: int
    coefficient: float = 0.1
    offset: int = 0
    growth: Growth = "steps"

    def __post_init__(self) -> None:
        check_tokens(original_seq_len=self.original_seq_len, offset=self.offset)
        check_builds(self)

    def build(self) -> QueryTemperature:
        """The module."""
        return QueryTemperature(
            self.original_seq_len,
            coefficient=self.coefficient,
            offset=self.offset,
            growth=self.growth,
        )


@dataclass(frozen=True, kw_only=True)
class SSMaxSpec:
    """`phasor.SSMax`; each layer has one of its own.

    Args:
        num_heads: Of the query.
    """

    num_heads: int

    def __post_init__(self) -> None:
        check_channels(num_heads=self.num_heads)
        check_builds(self)

    def build(self) -> SSMax:
        """The module, with untrained numbers."""
        return SSMax(self.num_heads)


@dataclass(frozen=True, kw_only=True)
class ALiBiSpec:
    """`phasor.ALiBi`.

    Args:
        num_heads: Of the query.
        scale: Factor on the slopes.
        precision: What the model rounds penalties to.
    """

    num_heads: int
    scale: float = 1.0
    precision: Literal["exact", "bfloat16"] = "exact"

    def __post_init__(self) -> None:
        check_channels(num_heads=self.num_heads)
        check_builds(self)

    def build(self) -> ALiBi:
        """The module."""
        return ALiBi(self.num_heads, scale=self.scale, precision=self.precision)


@dataclass(frozen=True, kw_only=True)
class T5BiasSpec:
    """`phasor.T5Bias`.

    Args:
        num_heads: Of the query.
        num_buckets: Of both directions together.
        max_distance: From here on all distances share a bucket.
        bidirectional: Whether keys after the query have buckets of their own.
        shared: Whether all layers share one table, as in T5; in UMT5 each has its own.
    """

    num_heads: int
    num_buckets: int = 32
    max_distance: int = 128
    bidirectional: bool = False
    shared: bool = True

    def __post_init__(self) -> None:
        check_channels(num_heads=self.num_heads)
        if self.num_buckets * self.max_distance > _MOST_IN_BUCKETS:
            raise ArgumentError(
                f"num_buckets * max_distance must be at most {_MOST_IN_BUCKETS}, got "
                f"{self.num_buckets} buckets of distances up to {self.max_distance}; T5 has 32 "
                "and 128"
            )
        check_builds(self)

    def build(self) -> T5Bias:
        """The module."""
        return T5Bias(
            self.num_heads,
            num_buckets=self.num_buckets,
            max_distance=self.max_distance,
            bidirectional=self.bidirectional,
        )


@dataclass(frozen=True, kw_only=True)
class LearnedSpec:
    """`phasor.Learned`.

    Args:
        num_positions: From 0 on.
        dim: Width of the embedding.
        offset: Rows before that of position 0.
    """

    num_positions: int
    dim: int
    offset: int = 0

    def __post_init__(self) -> None:
        for name in ("num_positions", "dim"):
            check_count(name, getattr(self, name), at_least=1, advice="a table has a size")
        check_count("offset", self.offset, at_least=0, advice="2 in OPT, else mostly 0")
        check_channels(dim=self.dim)
        check_builds(self)

    def build(self) -> Learned:
        """The module, with an untrained table."""
        return Learned(self.num_positions, self.dim, offset=self.offset)


@dataclass(frozen=True, kw_only=True)
class SinusoidalSpec:
    """`phasor.Sinusoidal`.

    Args:
        dim: Width of the embedding.
        base: Of the wavelengths.
        layout: Whether sines and cosines alternate or come in two halves.
        endpoint: Whether the slowest pair has exactly the frequency 1 / base.
        first: Whether sines or cosines stand first.
        offset: Position whose sines position 0 has.
    """

    dim: int
    base: float = 10_000.0
    layout: Layout = "interleaved"
    endpoint: bool = False
    first: Wave = "sine"
    offset: int = 0

    def __post_init__(self) -> None:
        check_channels(dim=self.dim)
        check_tokens(offset=self.offset)
        check_builds(self)

    def build(self) -> Sinusoidal:
        """The module."""
        return Sinusoidal(
            self.dim,
            base=self.base,
            layout=self.layout,
            endpoint=self.endpoint,
            first=self.first,
            offset=self.offset,
        )

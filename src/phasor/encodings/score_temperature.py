"""Score temperature: whole scores grow with the logarithm of the position of their query."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding, ScoreMod
from phasor.encodings._bases.score import ScorePositions
from phasor.errors import ArgumentError
from phasor.positions import check_covers, check_positions
from phasor.rotary.phase import table_dtype


@dataclass(frozen=True)
class ScoreTemperatureSpec(EncodingSpec["ScoreTemperature"]):
    r"""`phasor.ScoreTemperature` as data.

    Args:
        original_seq_len: $L$, in tokens.
        coefficient: $c$.
    """

    original_seq_len: int
    _: KW_ONLY
    coefficient: float = 0.1

    def check(self) -> None:
        if self.original_seq_len < 1:
            raise ArgumentError(f"original_seq_len must be at least 1, got {self.original_seq_len}")
        if not 0 < self.coefficient < math.inf:
            raise ArgumentError(
                f"coefficient must be positive, got {self.coefficient}; 0.1 is usual"
            )

    def in_words(self) -> str:
        return (
            f"scores times 1 + {number(self.coefficient)} ln(max(1, (position + 1) / "
            f"{number(self.original_seq_len)}))"
        )


@final
class ScoreTemperature(PositionEncoding):
    r"""Far from the start, whole scores grow with the logarithm of the position of their query.

    The scores of the query at $m$, the $(m + 1)$-th token, are multiplied by
    $1 + c\,\ln\max(1, (m + 1) / L)$, with all that other encodings have added to them: put it last
    in `Compose`. `QueryTemperature` and `LogN` reach the product of query and key alone.

    Raises:
        ArgumentError: `original_seq_len` less than 1, or `coefficient` not positive.

    Source:
        The code of Inkling (Thinking Machines 2026; `log_scaling_n_floor` and `log_scaling_alpha`,
        in its layers without a window); after Nakanishi 2025, arXiv:2501.19399.

    Examples:
        >>> both = phasor.Compose(phasor.ALiBi(8), phasor.ScoreTemperature(4096))
        >>> query, key, value = torch.randn(3, 1, 8, 10, 64)
        >>> phasor.attention(query, key, value, both).shape
        torch.Size([1, 8, 10, 64])
    """

    sites = frozenset({"score"})
    is_relative = False
    spelling = "score_temperature"
    compared = False
    paper = "arXiv:2501.19399"
    formula = "score · (1 + coefficient · ln max(1, (m + 1) / L))"

    @constructed_from(ScoreTemperatureSpec)
    def __init__(self, options: ScoreTemperatureSpec) -> None:
        super().__init__()
        self.original_seq_len = options.original_seq_len
        self.coefficient = options.coefficient

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        check_positions(positions, owner="ScoreTemperature")
        share = (positions.double() + 1) / self.original_seq_len
        return (1 + self.coefficient * share.clamp(min=1.0).log()).to(table_dtype(dtype))

    def score_mod(self, prepared: Tensor) -> ScoreMod:
        return _Times(ScorePositions(prepared, prepared))


class _Times(NamedTuple):
    """A `ScoreMod` with `check_sizes`; the gain of each query stands where its position would."""

    gain: ScorePositions

    def __call__(
        self, score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
    ) -> Tensor:
        return score * self.gain.of_query(batch, query_index)

    def check_sizes(self, shape: tuple[int, int, int, int]) -> None:
        """Raise unless all scores, `[batch, num_heads, seq, key_seq]`, fit what was prepared."""
        batch, _, seq, _ = shape
        owner = "ScoreTemperature"
        check_covers(self.gain.query, batch=batch, seq=seq, owner=owner, what="query")

"""Query temperature: queries grow with their position, so that attention stays sharp far out."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal, final, get_args

from torch import Tensor

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.turn import QueryKeyTurn
from phasor.errors import ArgumentError

Growth = Literal["steps", "power"]
GROWTHS: tuple[Growth, ...] = get_args(Growth)


@dataclass(frozen=True)
class QueryTemperatureSpec(EncodingSpec["QueryTemperature"]):
    r"""`phasor.QueryTemperature` as data.

    Args:
        original_seq_len: $L$, in tokens.
        coefficient: $c$, 0.1 in all models that use it.
        offset: $o$: 1 in Llama 4 and Beam, 0 in Ministral 3.
        growth: `"steps"` with the logarithm, or `"power"`.
    """

    original_seq_len: int
    _: KW_ONLY
    coefficient: float = 0.1
    offset: int = 0
    growth: Growth = "steps"

    def check(self) -> None:
        if self.original_seq_len < 1:
            raise ArgumentError(f"original_seq_len must be at least 1, got {self.original_seq_len}")
        if not 0 < self.coefficient < math.inf:
            raise ArgumentError(
                f"coefficient must be positive, got {self.coefficient}; 0.1 is usual"
            )
        if self.growth not in GROWTHS:
            raise ArgumentError(f"growth must be one of {list(GROWTHS)}, got {self.growth!r}")

    def in_words(self) -> str:
        where = f"(position + {self.offset})" if self.offset else "position"
        if self.growth == "power":
            return (
                f"queries times (1 + {where} / {number(self.original_seq_len)}) to the "
                f"power of {number(self.coefficient)}"
            )
        return (
            f"queries times 1 + {number(self.coefficient)} ln(1 + floor({where} / "
            f"{number(self.original_seq_len)}))"
        )


@final
class QueryTemperature(QueryKeyTurn):
    r"""Queries grow with their position, by steps or as a power.

    The query at $m$ is multiplied by $1 + c\,\ln(1 + \lfloor (m + o) / L \rfloor)$: by 1 within
    the first $L$ positions, by a little more in each further run of $L$; or, with
    `growth="power"`, by $(1 + (m + o) / L)^c$. Goes beside another encoding, in `Compose`, or alone
    in layers without one.

    Raises:
        ArgumentError: `original_seq_len` less than 1, or `coefficient` not positive, or an
            unknown `growth`.

    Source:
        Llama 4's published code (`attn_temperature_tuning`, in its layers without rotation, with
        $L$ = 8192) and Ministral 3's (`llama_4_scaling_beta`, in all layers); as a power Beam's, in
        its layers without rotation, with $L$ = 2048. After Nakanishi 2025, arXiv:2501.19399.

    Examples:
        >>> temperature = phasor.QueryTemperature(8192)
        >>> query, positions = torch.ones(1, 1, 2, 1), torch.tensor([0, 9000])
        >>> turned, _ = temperature.rotate(query, None, temperature(positions))
        >>> turned.flatten().tolist()
        [1.0, 1.0693147182464...]
    """

    turns_key = False
    is_relative = False
    keeps_norm = False
    spelling = "query_temperature"
    compared = False
    paper = "arXiv:2501.19399"
    formula = "q ← q · (1 + coefficient · ln(1 + ⌊(m + offset) / L⌋))"

    @constructed_from(QueryTemperatureSpec)
    def __init__(self, options: QueryTemperatureSpec) -> None:
        super().__init__()
        self.original_seq_len = options.original_seq_len
        self.coefficient = options.coefficient
        self.offset = options.offset
        self.growth: Growth = options.growth

    def table(self, positions: Tensor) -> Tensor:
        after = positions + self.offset
        if self.growth == "power":
            # Before the first token, as padding may be, a power need not exist: as if there.
            share = after.double().clamp(min=0) / self.original_seq_len
            gain = (1 + share).pow(self.coefficient)
        else:
            run = after.div(self.original_seq_len, rounding_mode="floor").double()
            gain = 1 + self.coefficient * run.log1p()
        return gain[:, None, :, None]

    def turn(self, x: Tensor, gain: Tensor) -> Tensor:  # type: ignore[override]
        return x * gain

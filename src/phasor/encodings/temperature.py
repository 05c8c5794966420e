"""Query temperature: queries grow with their position, so that attention stays sharp far out."""

import math
from typing import final

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding
from phasor.encodings.query_key import scale_query
from phasor.errors import ArgumentError
from phasor.positions import check_positions
from phasor.rotary.phase import table_dtype


@final
class QueryTemperature(PositionEncoding):
    r"""Queries grow by steps with the logarithm of their position.

    The query at $m$ is multiplied by $1 + c\,\ln(1 + \lfloor (m + o) / L \rfloor)$: by 1 within
    the first $L$ positions, by a little more in each further run of $L$. Goes beside another
    encoding, in `Compose`, or alone in layers without one.

    Args:
        original_seq_len: $L$, in tokens.
        coefficient: $c$, 0.1 in both models that use it.
        offset: $o$: 1 in Llama 4, 0 in Ministral 3.

    Raises:
        ArgumentError: `original_seq_len` less than 1, or `coefficient` not positive.

    Source:
        Llama 4's published code (`attn_temperature_tuning`, in its layers without rotation, with
        $L$ = 8192) and Ministral 3's (`llama_4_scaling_beta`, in all layers); after Nakanishi 2025,
        arXiv:2501.19399.

    Examples:
        >>> temperature = phasor.QueryTemperature(8192)
        >>> query, positions = torch.ones(1, 1, 2, 1), torch.tensor([0, 9000])
        >>> turned, _ = temperature.rotate(query, None, temperature.prepare(positions))
        >>> turned.flatten().tolist()
        [1.0, 1.0693147182464...]
    """

    sites = frozenset({"query_key"})
    is_relative = False
    keeps_norm = False
    paper = "arXiv:2501.19399"

    def __init__(self, original_seq_len: int, *, coefficient: float = 0.1, offset: int = 0) -> None:
        super().__init__()
        if original_seq_len < 1:
            raise ArgumentError(f"original_seq_len must be at least 1, got {original_seq_len}")
        if not 0 < coefficient < math.inf:
            raise ArgumentError(f"coefficient must be positive, got {coefficient}; 0.1 is usual")
        self.original_seq_len = original_seq_len
        self.coefficient = coefficient
        self.offset = offset

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        check_positions(positions, owner="QueryTemperature")
        wide = positions.double() if positions.is_floating_point() else positions.long()
        run = (wide + self.offset).div(self.original_seq_len, rounding_mode="floor").double()
        return (1 + self.coefficient * run.log1p()).to(table_dtype(dtype))

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        return scale_query(query, prepared, owner="QueryTemperature"), key

    def extra_repr(self) -> str:
        return (
            f"original_seq_len={self.original_seq_len}, coefficient={self.coefficient}, "
            f"offset={self.offset}"
        )

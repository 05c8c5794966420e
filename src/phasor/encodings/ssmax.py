"""Scalable softmax: each head learns how its queries grow with the logarithm of the position."""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.heads import check_heads
from phasor.encodings._bases.query_key import check_query_key
from phasor.errors import ArgumentError
from phasor.positions import check_covers, check_positions
from phasor.rotary.phase import table_dtype


class Gains(NamedTuple):
    """Positions, and what queries there are multiplied by, `[num_heads, seq]` or with a batch."""

    positions: Tensor
    gain: Tensor


@dataclass(frozen=True)
class SSMaxSpec(EncodingSpec["SSMax"]):
    """`phasor.SSMax` as data.

    Args:
        num_heads: Query heads.
    """

    num_heads: int

    def check(self) -> None:
        if self.num_heads < 1:
            raise ArgumentError(f"num_heads must be at least 1, got {self.num_heads}")

    def in_words(self) -> str:
        return (
            "queries times a learned slope times ln(position + 1), plus a learned bias, "
            f"for each of {self.num_heads} heads"
        )


@final
class SSMax(PositionEncoding):
    r"""Each head learns how its queries grow with the logarithm of their position.

    The query of head $h$ at $m$, the $(m + 1)$-th token, is multiplied by $s_h \ln(m + 1) + b_h$.
    Starts as no change at all, with $s_h = 0$ and $b_h = 1$. Goes beside another encoding, in
    `Compose`, or alone in layers without one.

    Attributes:
        slope: `[num_heads]`, a parameter; $s$.
        bias: `[num_heads]`, a parameter; $b$.

    Raises:
        ArgumentError: `num_heads` less than 1.

    Source:
        Nakanishi 2025, arXiv:2501.19399, the variant with a bias, which counts the keys that a
        query sees; in this form, with initial values likewise, Mistral Large 4 in transformers
        (`MistralLarge4TextSoftmaxScaling`).

    Examples:
        >>> ssmax = phasor.SSMax(2)
        >>> with torch.no_grad():
        ...     _ = ssmax.slope.copy_(torch.tensor([0.0, 1.0]))
        >>> query = torch.ones(1, 2, 3, 1)
        >>> scaled, _ = ssmax.rotate(query, None, ssmax(torch.arange(3)))
        >>> scaled[0, 1].flatten().tolist()
        [1.0, 1.693147..., 2.098612...]
    """

    sites = frozenset({"query_key"})
    is_relative = False
    keeps_norm = False
    each_layer = True
    spelling = "ssmax"
    compared = False
    paper = "arXiv:2501.19399"

    @constructed_from(SSMaxSpec)
    def __init__(self, options: SSMaxSpec) -> None:
        super().__init__()
        self.num_heads = options.num_heads
        self.slope = nn.Parameter(torch.empty(self.num_heads))
        self.bias = nn.Parameter(torch.empty(self.num_heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No growth; also what gives values after `to_empty`."""
        nn.init.zeros_(self.slope)
        nn.init.ones_(self.bias)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Gains:
        check_positions(positions, owner="SSMax")
        wide, device = table_dtype(dtype), positions.device
        # Positions before the first token, as padding may have, have no logarithm: as if first.
        log = positions.double().clamp(min=0).log1p().to(wide).unsqueeze(-2)
        slope, bias = (each.to(device, wide).unsqueeze(-1) for each in (self.slope, self.bias))
        return Gains(positions, slope * log + bias)

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Gains
    ) -> tuple[Tensor, Tensor | None]:
        batch, num_heads, seq, head_dim = query.shape
        positions, gain = prepared
        check_query_key(query, None, head_dim=head_dim, dtype=gain.dtype, owner="SSMax")
        check_heads(num_heads, self.num_heads, owner="SSMax")
        check_covers(positions, batch=batch, seq=seq, owner="SSMax", what="query")
        return (query * gain.unsqueeze(-1)).to(query.dtype), key

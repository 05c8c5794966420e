"""Rotary position embedding: query and key turn with their positions."""

from typing import NamedTuple, final

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding, table_dtype
from phasor.errors import ArgumentError
from phasor.kernels.api import rotate_by
from phasor.positions import check_positions
from phasor.rotary import Frequencies, Layout, Precision, cos_sin, geometric
from phasor.rotary.layout import check_layout
from phasor.rotary.phase import check_precision


class Angles(NamedTuple):
    """Tables of `(cos, sin)`, each `[seq, pairs]` or `[batch, seq, pairs]`."""

    query: tuple[Tensor, Tensor]
    key: tuple[Tensor, Tensor]


@final
class Rotary(PositionEncoding):
    r"""Rotary position embedding (RoPE): query and key turn with their positions.

    Pair $p$ of query and key is turned by $m\,\omega_p$, $\omega_p = b^{-2p/d}$, at position $m$;
    the product of a query and a key then depends on the distance of their positions alone, and no
    vector changes its length. Holds no parameter and no buffer: casting, moving, meta
    initialisation and checkpoints cannot reach its angles.

    Args:
        head_dim: Channels of each head.
        base: $b$; called `rope_theta` in configs.
        rotary_dim: Leading channels that turn (partial rotary); all of them if `None`.
        layout: `"half"` pairs channel $i$ with $i + d/2$ (GPT-NeoX, LLaMA in transformers);
            `"interleaved"` pairs $2i$ with $2i + 1$ (the paper, GPT-J, Meta's LLaMA).
        frequencies: Instead of `base` and `rotary_dim`: any `Frequencies`.
        precision: See `phasor.cos_sin`.

    Raises:
        ArgumentError: Odd or too large `rotary_dim`, unknown `layout` or `precision`, or
            `frequencies` together with `base` or `rotary_dim`.

    Source:
        Su et al. 2021, arXiv:2104.09864, section 3.2.

    Examples:
        >>> rotary = phasor.Rotary(64, base=500_000.0)
        >>> query, key = torch.randn(2, 1, 8, 10, 64)
        >>> query, key = rotary.rotate(query, key, rotary.prepare(torch.arange(10)))
    """

    sites = frozenset({"query_key"})
    paper = "arXiv:2104.09864"

    def __init__(
        self,
        head_dim: int,
        *,
        base: float = 10_000.0,
        rotary_dim: int | None = None,
        layout: Layout = "half",
        frequencies: Frequencies | None = None,
        precision: Precision = "exact",
    ) -> None:
        super().__init__()
        check_layout(layout)
        check_precision(precision)
        if frequencies is None:
            frequencies = geometric(head_dim if rotary_dim is None else rotary_dim, base)
        elif rotary_dim is not None or base != 10_000.0:
            raise ArgumentError(
                f"frequencies already fix base and rotary_dim, got base={base} and "
                f"rotary_dim={rotary_dim} as well; pass one or the other"
            )
        if frequencies.rotary_dim > head_dim:
            raise ArgumentError(
                f"rotary_dim must be at most head_dim {head_dim}, got {frequencies.rotary_dim}"
            )
        self.head_dim = head_dim
        self.layout: Layout = layout
        self.precision: Precision = precision
        self.frequencies = frequencies

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Angles:
        query = self._table(positions, dtype)
        return Angles(query, query if key_positions is None else self._table(key_positions, dtype))

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Angles
    ) -> tuple[Tensor, Tensor | None]:
        if query.shape[-1] != self.head_dim:
            raise ArgumentError(
                f"Rotary was built for head_dim {self.head_dim}, got a query of shape "
                f"{list(query.shape)}; build it with head_dim={query.shape[-1]}"
            )
        return rotate_by(query, key, *prepared, layout=self.layout, owner="Rotary")

    def extra_repr(self) -> str:
        return (
            f"head_dim={self.head_dim}, base={self.frequencies.base}, "
            f"rotary_dim={self.frequencies.rotary_dim}, layout={self.layout!r}, "
            f"precision={self.precision!r}"
        )

    def _table(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        check_positions(positions, axes=self.frequencies.axes, owner="Rotary")
        return cos_sin(
            positions, self.frequencies, precision=self.precision, dtype=table_dtype(dtype)
        )

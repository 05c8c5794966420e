"""Rotary encoding of images whose frequencies are learned, over both axes at once."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.heads import check_heads
from phasor.errors import ArgumentError
from phasor.kernels import rotate
from phasor.positions import check_positions
from phasor.rotary.layout import Layout, check_layout


class MixedPlaces(NamedTuple):
    """Positions `[seq, 2]` or `[batch, seq, 2]` of queries and of keys, and what pairs turn."""

    query: Tensor
    key: Tensor
    inv_freq: Tensor


@dataclass(frozen=True)
class RotaryMixedSpec(EncodingSpec["RotaryMixed"]):
    r"""`phasor.RotaryMixed` as data.

    Args:
        head_dim: Channels of each head, a multiple of 4.
        num_heads: Heads, of query and key alike.
        base: $b$ of the initial lengths of the vectors $(\omega^x, \omega^y)$: $b^{-4p/d}$, each
            for two pairs at right angles to one another, whose direction is random in each head.
        layout: Which channels form a pair.
    """

    head_dim: int
    _: KW_ONLY
    num_heads: int
    base: float = 10.0
    layout: Layout = "interleaved"

    def check(self) -> None:
        check_layout(self.layout)
        if self.head_dim < 4 or self.head_dim % 4:
            raise ArgumentError(
                f"head_dim must be a multiple of 4, two pairs for each length, got {self.head_dim}"
            )
        if self.num_heads < 1:
            raise ArgumentError(f"num_heads must be at least 1, got {self.num_heads}")
        if not 0 < self.base < math.inf:
            raise ArgumentError(f"base must be positive, got {self.base}; 10.0 is the authors'")

    def in_words(self) -> str:
        half = self.head_dim // 2
        pairing = f"i with i + {half}" if self.layout == "half" else "2i with 2i + 1"
        return (
            f"rotary, mixed: all {self.head_dim} channels turn, {pairing}, by learned frequencies "
            f"over two axes at once in each of {self.num_heads} heads, base {number(self.base)} at "
            "first"
        )


@final
class RotaryMixed(PositionEncoding):
    r"""Learned rotary frequencies over two axes at once (RoPE-Mixed).

    Pair $p$ of head $h$ turns by $x\,\omega^x_{h,p} + y\,\omega^y_{h,p}$. Axial encodings turn a
    pair by one axis or the other, and so see no diagonal; here the direction of each pair is free,
    and trained. The authors give each layer frequencies of its own, and their $x$ is the column: a
    position is (column, row), which is `phasor.positions.grid_2d(...).flip(-1)`.

    Attributes:
        inv_freq: `[num_heads, 2, head_dim / 2]`, radians per patch; a parameter. The first of the
            two is $\omega^x$ and goes with the first number of a position. (The authors' `freqs` is
            `[2, layers, num_heads * head_dim / 2]`.)

    Raises:
        ArgumentError: `head_dim` is no multiple of 4, `num_heads` less than 1, `base` not positive.

    Source:
        Heo et al. 2024, arXiv:2403.13298, section 3.2; initial values as in the authors' code.

    Examples:
        >>> mixed = phasor.RotaryMixed(64, num_heads=8)
        >>> query, key = torch.randn(2, 1, 8, 12, 64)
        >>> column_row = phasor.positions.grid_2d(3, 4).flip(-1)
        >>> query, key = mixed.rotate(query, key, mixed(column_row))
    """

    sites = frozenset({"query_key"})
    has_parts = True
    spelling = "rotary_mixed"
    compared = False
    paper = "arXiv:2403.13298"
    formula = "pair p turns by x ωˣₚ + y ωʸₚ at column x and row y;  both ω learned for each head"

    @constructed_from(RotaryMixedSpec)
    def __init__(self, options: RotaryMixedSpec) -> None:
        super().__init__()
        self.head_dim = options.head_dim
        self.num_heads = options.num_heads
        self.base = options.base
        self.layout: Layout = options.layout
        self.inv_freq = nn.Parameter(torch.empty(options.num_heads, 2, options.head_dim // 2))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the directions anew; also what gives values after `to_empty`."""
        quarter = self.head_dim // 4
        device = self.inv_freq.device
        length = self.base ** (-torch.arange(quarter, device=device) / quarter)
        direction = 2 * math.pi * torch.rand(self.num_heads, 1, device=device)
        both = torch.cat(
            (direction.expand(-1, quarter), direction.expand(-1, quarter) + math.pi / 2), 1
        )
        length = length.repeat(2)
        self.inv_freq.copy_(torch.stack((length * both.cos(), length * both.sin()), dim=1))

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> MixedPlaces:
        key_positions = positions if key_positions is None else key_positions
        check_positions(positions, axes=2, owner="RotaryMixed")
        check_positions(key_positions, axes=2, owner="RotaryMixed")
        return MixedPlaces(positions, key_positions, self.of_heads(self.inv_freq).clone())

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: MixedPlaces
    ) -> tuple[Tensor, Tensor | None]:
        if query.shape[-1] != self.head_dim:
            raise ArgumentError(
                f"RotaryMixed was built for head_dim {self.head_dim}, got a query of shape "
                f"{list(query.shape)}; build it with head_dim={query.shape[-1]}"
            )
        check_heads(query.shape[1], self.num_heads, owner="RotaryMixed")
        if key is not None:
            check_heads(key.shape[1], self.num_heads, owner="RotaryMixed", what="key")
        if key is None or prepared.key is prepared.query:
            return rotate(query, key, prepared.query, prepared.inv_freq, layout=self.layout)
        query, _ = rotate(query, None, prepared.query, prepared.inv_freq, layout=self.layout)
        key, _ = rotate(key, None, prepared.key, prepared.inv_freq, layout=self.layout)
        return query, key

"""STRING: learned rotations over any axes, whose generators commute so that scores are relative."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.query_key import check_query_key, heads_per_group
from phasor.errors import ArgumentError
from phasor.kernels import rotate
from phasor.positions import check_positions
from phasor.rotary import geometric
from phasor.rotary.frequencies import check_geometric
from phasor.rotary.phase import table_dtype


class CirculantTables(NamedTuple):
    """Positions of query and key, what each pair turns, and the basis in which pairs turn.

    The frequencies are `[num_heads, axes, pairs]`, the basis is `[head_dim, head_dim]`.
    """

    query: Tensor
    key: Tensor
    inv_freq: Tensor
    basis: Tensor


@dataclass(frozen=True)
class STRINGSpec(EncodingSpec["STRING"]):
    r"""`phasor.STRING` as data.

    Args:
        head_dim: $d$, channels of each head; even, at least 4.
        num_heads: Heads with circulants of their own: the heads of the key; under grouped-query
            attention the queries of a group share them.
        axes: Of the positions: 1 for text, 2 for images.
        base: Of the frequencies at the start, which are those of RoPE for $d - 2$ channels, the
            axes taking turns; the authors do not say theirs.
    """

    head_dim: int
    _: KW_ONLY
    num_heads: int
    axes: int = 1
    base: float = 10_000.0

    def check(self) -> None:
        if self.head_dim < 4 or self.head_dim % 2:
            raise ArgumentError(f"head_dim must be even and at least 4, got {self.head_dim}")
        for name in ("num_heads", "axes"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1, got {getattr(self, name)}")
        check_geometric(self.head_dim - 2, self.base)

    def in_words(self) -> str:
        axes = f", over {self.axes} axes at once" if self.axes > 1 else ""
        return (
            f"STRING: {self.head_dim - 2} of {self.head_dim} Fourier components turn{axes}, by "
            f"learned angles that start with base {number(self.base)}, in each of "
            f"{self.num_heads} heads"
        )


@final
class STRING(PositionEncoding):
    r"""Learned rotations over any axes whose generators commute (Circulant-STRING).

    A head at position $m = (m_1, m_2, \dots)$ is turned by $\exp\bigl(\sum_a m_a L_a\bigr)$,
    $L_a = C_a - C_a^\top$ with a learned circulant $C_a$ for each axis and head. Circulants
    commute, so scores depend on the displacement alone, and they share the Fourier basis: there
    $L_a$ turns the pair of each frequency $f$ by $\omega_{a,f} = 2\sum_n c_{a,n}\sin(2\pi f n/d)$,
    and two channels stay as they are. So it is RoPE with learned frequencies, over all axes at
    once, between two Fourier transforms.

    Attributes:
        circulant: $c$, `[num_heads, axes, d/2 - 1]`: the entries of the first row of each $L$ from
            the second on, up to the middle, where they go on with opposite signs; a parameter.

    Raises:
        ArgumentError: `head_dim` odd or less than 4, `num_heads` or `axes` less than 1, or `base`
            not positive.

    Source:
        Schenck et al. 2025, arXiv:2502.02562, who also have a variant in a learned basis.

    Examples:
        >>> string = phasor.STRING(64, num_heads=8, axes=2)
        >>> query, key = torch.randn(2, 1, 8, 12, 64)
        >>> grid = torch.cartesian_prod(torch.arange(3), torch.arange(4))
        >>> query, key = string.rotate(query, key, string(grid))
    """

    sites = frozenset({"query_key"})
    has_parts = True
    spelling = "string"
    paper = "arXiv:2502.02562"
    formula = "q ← exp(Σₐ mₐ (Cₐ − Cₐᵀ)) q,  k with n;  Cₐ circulant, learned for axis a"

    @constructed_from(STRINGSpec)
    def __init__(self, options: STRINGSpec) -> None:
        super().__init__()
        self.head_dim = options.head_dim
        self.num_heads = options.num_heads
        self.axes = options.axes
        self.initial = geometric(options.head_dim - 2, options.base)
        entries = self.initial.pairs
        self.circulant = nn.Parameter(torch.empty(self.num_heads, self.axes, entries))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start with the frequencies of RoPE; also what gives values after `to_empty`."""
        device = self.circulant.device
        pair = torch.arange(self.initial.pairs, device=device)
        axis = torch.arange(self.axes, device=device)[:, None]
        inv_freq = self.initial.inv_freq.to(device) * (pair % self.axes == axis)
        # The sines are orthogonal: their transpose over d is their inverse.
        self.circulant.copy_((inv_freq[..., None, :] * self._sines().mT).sum(-1) / self.head_dim)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> CirculantTables:
        key_positions = positions if key_positions is None else key_positions
        check_positions(positions, axes=self.axes, owner="STRING")
        check_positions(key_positions, axes=self.axes, owner="STRING")
        # A sum of products: TF32 and autocast round the operands of a matmul.
        inv_freq = (self.of_heads(self.circulant).double()[..., None, :] * self._sines()).sum(-1)
        return CirculantTables(
            positions, key_positions, inv_freq, self._basis().to(table_dtype(dtype))
        )

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: CirculantTables
    ) -> tuple[Tensor, Tensor | None]:
        dtype = prepared.basis.dtype
        check_query_key(query, key, head_dim=self.head_dim, dtype=dtype, owner="STRING")
        turned = self._turn(query, prepared.query, prepared, "query")
        return turned, None if key is None else self._turn(key, prepared.key, prepared, "key")

    def _turn(self, x: Tensor, positions: Tensor, prepared: CirculantTables, what: str) -> Tensor:
        group = heads_per_group(x, self.num_heads, owner="STRING", what=what)
        inv_freq = prepared.inv_freq.repeat_interleave(group, dim=0)
        basis = prepared.basis
        with torch.autocast(x.device.type, enabled=False):
            spectrum = x.to(torch.promote_types(x.dtype, basis.dtype)) @ basis.mT
            turned, _ = rotate(spectrum, None, positions, inv_freq, layout="half")
            return (turned @ basis).to(x.dtype)

    def _sines(self) -> Tensor:
        """2 sin(2 pi f n / d), `[frequencies, n]`, both from 1 on."""
        count = torch.arange(1, self.head_dim // 2, device=self.circulant.device)
        return 2 * (self._angle(count[:, None] * count)).sin()

    def _basis(self) -> Tensor:
        """The real Fourier basis in orthonormal rows: sines, cosines, and two that do not turn."""
        channel = torch.arange(self.head_dim, device=self.circulant.device)
        angle = self._angle(channel[1 : self.head_dim // 2, None] * channel)
        constant = torch.ones_like(angle[:1])
        alternating = (1 - 2 * (channel % 2)).to(angle)[None]
        turning = torch.cat((angle.sin(), angle.cos())) * math.sqrt(2)
        return torch.cat((turning, constant, alternating)) / math.sqrt(self.head_dim)

    def _angle(self, product: Tensor) -> Tensor:
        """2 pi product / d, after whole turns have dropped out."""
        return (product % self.head_dim).double() * (2 * math.pi / self.head_dim)

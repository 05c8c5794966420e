"""LieRE: query and key turn by learned rotations of several channels at once, over any axes."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.turn import QueryKeyTurn
from phasor.errors import ArgumentError


@dataclass(frozen=True)
class LieRESpec(EncodingSpec["LieRE"]):
    """`phasor.LieRE` as data.

    Args:
        head_dim: Channels of each head.
        num_heads: Heads with rotations of their own: the heads of the key; under grouped-query
            attention the queries of a group share them.
        axes: Of the positions: 1 for text, 2 for images.
        block_dim: $g$, which divides `head_dim`; all channels if `None`.
        num_positions: $N$. The authors number an axis of $n$ patches from 0 to 1, the last one
            included: their $N$ is $n - 1$, and for an image of another size than the $n$ of
            training, $n (n' - 1) / n'$ with its $n'$ patches.
    """

    head_dim: int
    _: KW_ONLY
    num_heads: int
    axes: int = 1
    block_dim: int | None = 8
    num_positions: float = 1.0

    def check(self) -> None:
        block_dim = self.head_dim if self.block_dim is None else self.block_dim
        object.__setattr__(self, "block_dim", block_dim)
        if block_dim < 2 or self.head_dim % block_dim:
            raise ArgumentError(
                f"block_dim must be at least 2 and divide head_dim {self.head_dim}, got "
                f"{block_dim}; block_dim=None takes all channels as one block"
            )
        for name, value in (("num_heads", self.num_heads), ("axes", self.axes)):
            if value < 1:
                raise ArgumentError(f"{name} must be at least 1, got {value}")
        if not 0 < self.num_positions < math.inf:
            raise ArgumentError(f"num_positions must be positive, got {self.num_positions}")

    def in_words(self) -> str:
        axes = "one axis" if self.axes == 1 else f"{self.axes} axes"
        unit = number(self.num_positions)
        share = f", of positions divided by {unit}" if self.num_positions != 1 else ""
        return (
            f"LieRE: each of {self.num_heads} heads turns blocks of {self.block_dim} of "
            f"{self.head_dim} channels by learned rotations, over {axes}{share}"
        )


@final
class LieRE(QueryKeyTurn):
    r"""Learned rotations of whole blocks of channels, over any number of axes (LieRE).

    A block of $g$ channels at position $m = (m_1, m_2, \dots)$ is turned by
    $\exp\bigl(\sum_a \frac{m_a}{N} A_a\bigr)$ with a learned skew-symmetric $A_a$ for each axis,
    block and head. RoPE has blocks of two and fixed numbers. With one axis scores depend on the
    distance alone; with several they do not, as the $A_a$ need not commute: for that see
    `STRING`.

    A reference: a matrix exponential in float64 for each token, head and block, whose table takes
    $g$ times the memory of the key.

    Attributes:
        skew: `[axes, num_heads, blocks, g (g - 1) / 2]`, what is above the diagonal of each $A$,
            row by row; a parameter.

    Raises:
        ArgumentError: A number out of its range, or a `block_dim` that does not divide `head_dim`.

    Source:
        Ostmeier et al. 2024, arXiv:2406.10322, and the authors' code, which exponentiates in
        float32.

    Examples:
        >>> liere = phasor.LieRE(64, num_heads=8, axes=2, num_positions=13)  # 14 patches
        >>> query, key = torch.randn(2, 1, 8, 12, 64)
        >>> grid = torch.cartesian_prod(torch.arange(3), torch.arange(4))
        >>> query, key = liere.rotate(query, key, liere(grid))
    """

    has_parts = True
    spelling = "liere"
    paper = "arXiv:2406.10322"
    formula = (
        "q ← exp(Σₐ mₐ Aₐ / num_positions) q,  k with n;  Aₐ skew-symmetric, learned for axis a"
    )

    @constructed_from(LieRESpec)
    def __init__(self, options: LieRESpec) -> None:
        super().__init__(options.head_dim, options.num_heads)
        assert options.block_dim is not None
        self.axes = options.axes
        self.is_relative = options.axes == 1
        self.block_dim = options.block_dim
        self.num_positions = options.num_positions
        blocks = options.head_dim // options.block_dim
        entries = options.block_dim * (options.block_dim - 1) // 2
        self.skew = nn.Parameter(torch.empty(options.axes, options.num_heads, blocks, entries))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the generators anew, from 0 to 2 pi; also what gives values after `to_empty`."""
        nn.init.uniform_(self.skew, 0.0, 2 * math.pi)

    def generators(self) -> Tensor:
        """The skew-symmetric matrices, `[axes, num_heads, blocks, g, g]`, in float64."""
        skew = self.of_heads(self.skew, 1).double()
        row, column = torch.triu_indices(
            self.block_dim, self.block_dim, offset=1, device=skew.device
        )
        upper = skew.new_zeros(*skew.shape[:-1], self.block_dim, self.block_dim)
        upper[..., row, column] = skew
        return upper - upper.mT

    def table(self, positions: Tensor) -> Tensor:
        share = positions.double() / self.num_positions
        share = share.unsqueeze(-1) if self.axes == 1 else share
        # [batch, 1, seq, 1, axes, 1, 1] times [heads, 1, blocks, axes, g, g]. A sum of products:
        # TF32 rounds the operands of a matmul.
        weights = share[:, None, :, None, :, None, None]
        generators = self.generators().permute(1, 2, 0, 3, 4).unsqueeze(1)
        return torch.matrix_exp((weights * generators).sum(-3))

    def turn(self, x: Tensor, matrices: Tensor) -> Tensor:  # type: ignore[override]
        blocks, matrices = x.unflatten(-1, (-1, self.block_dim)), matrices.squeeze(2)
        if len(matrices) == 1:
            return torch.einsum("htnij,bhgtnj->bhgtni", matrices[0], blocks).flatten(-2)
        return torch.einsum("bhtnij,bhgtnj->bhgtni", matrices, blocks).flatten(-2)

"""Rotary code gone astray: the two channels of a pair turn by different angles."""

from typing import NamedTuple, final

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding
from phasor.encodings._bases.query_key import check_query_key
from phasor.errors import ArgumentError
from phasor.positions import check_covers, check_positions
from phasor.rotary import Frequencies, Layout, Precision, cos_sin
from phasor.rotary.layout import check_layout
from phasor.rotary.phase import check_precision, table_dtype
from phasor.rotary.words import in_words


class Waves(NamedTuple):
    """Positions without their axes, and cosine and sine `[..., seq, channels]` there."""

    positions: Tensor
    cos: Tensor
    sin: Tensor


class Prepared(NamedTuple):
    """Those of query and of key."""

    query: Waves
    key: Waves


@final
class UnevenRotary(PositionEncoding):
    r"""What rotary code does where the two channels of a pair turn by different angles.

    A pair $(x, y)$ with angles $\alpha$ and $\beta$ becomes
    $(x \cos\alpha - y \sin\alpha,\; y \cos\beta + x \sin\beta)$. This is no rotation unless
    $\alpha = \beta$: lengths change, and scores depend on more than distances. It exists because
    published weights were trained with it (V-JEPA 2), or are run with it (HunYuan-VL with images in
    transformers); no new model should use it. Takes time and memory of plain PyTorch.

    Args:
        head_dim: Channels of each head.
        frequencies: One column for each leading channel that turns, in place of one for each pair:
            `phasor.rotary.tiled` (V-JEPA 2) or `phasor.rotary.doubled_sections` (HunYuan-VL).
        layout: Which channels form a pair.
        precision: See `phasor.cos_sin`.

    Raises:
        ArgumentError: An odd number of columns or more than `head_dim`, an unknown `layout` or
            `precision`.

    Source:
        The code of V-JEPA 2, arXiv:2506.09985, which forms angles in the dtype of the activations,
        and transformers 5.23 (`vjepa2`, `hunyuan_vl`).

    Examples:
        >>> per_channel = phasor.rotary.tiled(phasor.axial(60, axes=3), blocks=3)
        >>> vjepa2 = phasor.UnevenRotary(64, frequencies=per_channel, layout="interleaved")
        >>> query, key = torch.randn(2, 1, 16, 8, 64)
        >>> cube = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(2))
        >>> query, key = vjepa2.rotate(query, key, vjepa2(cube))
    """

    sites = frozenset({"query_key", "value"})
    is_relative = False
    keeps_norm = False
    paper = "arXiv:2506.09985"

    def __init__(
        self,
        head_dim: int,
        *,
        frequencies: Frequencies,
        layout: Layout,
        precision: Precision = "exact",
    ) -> None:
        super().__init__()
        check_layout(layout)
        check_precision(precision)
        channels = frequencies.pairs
        if channels % 2 or channels > head_dim:
            raise ArgumentError(
                "frequencies must have a column for each channel that turns, an even number and at "
                f"most head_dim {head_dim}, got {channels}"
            )
        self.head_dim = head_dim
        self.frequencies = frequencies
        self.layout: Layout = layout
        self.precision: Precision = precision

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Prepared:
        query = self._waves(positions, dtype)
        key = query if key_positions is None else self._waves(key_positions, dtype)
        return Prepared(query, key)

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: Prepared
    ) -> tuple[Tensor, Tensor | None]:
        dtype = prepared.query.cos.dtype
        check_query_key(query, key, head_dim=self.head_dim, dtype=dtype, owner="UnevenRotary")
        key = None if key is None else self._turn(key, prepared.key, "key")
        query = query * self.frequencies.softmax_scale
        return self._turn(query, prepared.query, "query"), key

    def turn_values(self, value: Tensor, prepared: Prepared) -> Tensor:
        """Turn values `[batch, num_kv_heads, key_seq, head_dim]` as their keys turn."""
        dtype = prepared.key.cos.dtype
        check_query_key(value, None, head_dim=self.head_dim, dtype=dtype, owner="UnevenRotary")
        return self._turn(value, prepared.key, "value")

    def turn_back(self, out: Tensor, prepared: Prepared) -> Tensor:
        """Turn what attention made of turned values by the opposite angles of the queries.

        This undoes nothing where the angles of a pair differ: what turns them is no rotation.
        """
        positions, cos, sin = prepared.query
        return self._turn(out, Waves(positions, cos, -sin), "output")

    def extra_repr(self) -> str:
        return (
            f"head_dim={self.head_dim}, base={self.frequencies.base}, "
            f"channels={self.frequencies.pairs}, "
            f"layout={self.layout!r}, precision={self.precision!r}" + in_words(self.frequencies)
        )

    def _waves(self, positions: Tensor, dtype: torch.dtype) -> Waves:
        axes = self.frequencies.axes
        check_positions(positions, axes=axes, owner="UnevenRotary")
        cos, sin = cos_sin(
            positions, self.frequencies, precision=self.precision, dtype=table_dtype(dtype)
        )
        return Waves(positions if axes == 1 else positions[..., 0], cos, sin)

    def _turn(self, x: Tensor, waves: Waves, what: str) -> Tensor:
        positions, cos, sin = waves
        check_covers(positions, batch=len(x), seq=x.shape[2], owner="UnevenRotary", what=what)
        if cos.ndim == 3:
            cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        turning, still = x.to(torch.promote_types(x.dtype, cos.dtype)).split(
            (cos.shape[-1], self.head_dim - cos.shape[-1]), dim=-1
        )
        if self.layout == "half":
            first, second = turning.chunk(2, dim=-1)
            partner = torch.cat((-second, first), dim=-1)
        else:
            first, second = turning.unflatten(-1, (-1, 2)).unbind(-1)
            partner = torch.stack((-second, first), dim=-1).flatten(-2)
        return torch.cat((turning * cos + partner * sin, still), dim=-1).to(x.dtype)

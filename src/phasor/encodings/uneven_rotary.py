"""Rotary code gone astray: the two channels of a pair turn by different angles."""

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import NamedTuple, final

import torch
from torch import Tensor

from phasor._encoding_spec import UNSTATED, EncodingSpec, constructed_from
from phasor._sizes import within_float64
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.query_key import check_query_key
from phasor.errors import ArgumentError
from phasor.positions import check_covers, check_positions
from phasor.rotary import Frequencies, Layout, Precision, cos_sin, doubled_sections, tiled
from phasor.rotary.layout import check_layout
from phasor.rotary.phase import check_precision, table_dtype
from phasor.rotary.rules import Rule
from phasor.rotary.scaling import BY_NAME, LengthScaling, Scaling
from phasor.rotary.words import in_words, pairing


class Waves(NamedTuple):
    """Positions without their axes, and cosine and sine `[..., seq, channels]` there."""

    positions: Tensor
    cos: Tensor
    sin: Tensor


class UnevenTables(NamedTuple):
    """Those of query and of key."""

    query: Waves
    key: Waves


@dataclass(frozen=True)
class UnevenRotarySpec(EncodingSpec["UnevenRotary"]):
    """`phasor.UnevenRotary` as data.

    Args:
        head_dim: Channels of each head.
        frequencies: With `blocks` or `sections`, a rule of `phasor.spec` or `Frequencies` with one
            column for each pair, from which those of the channels follow. Without, one column for
            each leading channel that turns.
        scaling: Of the frequencies, before the rest; none that depends on the length.
        blocks: Equal parts of the frequencies that the table holds twice in a row, as
            `phasor.rotary.tiled` does (V-JEPA 2: 3).
        sections: Half the channels of each axis, where axes share out the table, as
            `phasor.rotary.doubled_sections` has it (HunYuan-VL).
        layout: Which channels form a pair.
        precision: See `phasor.cos_sin`.

    Attributes:
        channels: One column for each channel.
    """

    head_dim: int
    _: KW_ONLY
    frequencies: Rule
    scaling: Scaling | LengthScaling | None = None
    blocks: int | None = None
    sections: tuple[int, ...] | None = None
    layout: Layout
    precision: Precision = field(default="exact", metadata=UNSTATED)
    channels: Frequencies = field(init=False, repr=False, compare=False)

    def check(self) -> None:
        check_layout(self.layout)
        check_precision(self.precision)
        if self.sections is not None:
            if self.blocks not in (None, 1):
                raise ArgumentError(
                    f"sections share out a table of one block, got blocks={self.blocks} as well"
                )
            object.__setattr__(self, "blocks", None)
        if isinstance(self.scaling, LengthScaling):
            raise ArgumentError(
                f"frequencies of channels that depend on the length have no rule, got scaling "
                f"{self.scaling}; settle it with .at(seq_len)"
            )
        with within_float64():
            channels = self.frequencies.build()
            if self.scaling is not None:
                channels = self.scaling(channels)
            if self.sections is not None:
                channels = doubled_sections(channels, self.sections)
            elif self.blocks is not None:
                channels = tiled(channels, blocks=self.blocks)
        if channels.pairs % 2 or channels.pairs > self.head_dim:
            raise ArgumentError(
                "frequencies must have a column for each channel that turns, an even number and at "
                f"most head_dim {self.head_dim}, got {channels.pairs}"
            )
        object.__setattr__(self, "channels", channels)

    def check_whole(self) -> None:
        """Nothing: it has no tables."""

    def kept(self) -> "UnevenRotarySpec":
        if self.scaling is None or isinstance(self.scaling, tuple(BY_NAME.values())):
            return self
        plain = {"scaling": None, "blocks": None, "sections": None}
        return replace(self, frequencies=self.channels, **plain)

    def build(self, *, precision: Precision | None = None) -> "UnevenRotary":
        """The module; see `phasor.cos_sin` for `precision`."""
        options = self if precision is None else replace(self, precision=precision)
        return super(UnevenRotarySpec, options).build()

    def in_words(self) -> str:
        half = self.channels.pairs // 2
        parts = [
            f"no rotation: {2 * half} of {self.head_dim} channels, {pairing(self.layout, half)}, "
            "of which the two turn by different angles",
            self.frequencies.in_words(),
        ]
        if self.blocks is not None:
            parts.append(f"doubled in {self.blocks} blocks")
        if self.sections is not None:
            shares = " + ".join(map(str, self.sections))
            parts.append(f"axes share out the doubled table as {shares}")
        return ", ".join(parts)


@final
class UnevenRotary(PositionEncoding):
    r"""What rotary code does where the two channels of a pair turn by different angles.

    A pair $(x, y)$ with angles $\alpha$ and $\beta$ becomes
    $(x \cos\alpha - y \sin\alpha,\; y \cos\beta + x \sin\beta)$. This is no rotation unless
    $\alpha = \beta$: lengths change, and scores depend on more than distances. It exists because
    published weights were trained with it (V-JEPA 2), or are run with it (HunYuan-VL with images in
    transformers); no new model should use it. Takes time and memory of plain PyTorch.

    Raises:
        ArgumentError: An odd number of columns or more than `head_dim`, an unknown `layout` or
            `precision`.

    Source:
        The code of V-JEPA 2, arXiv:2506.09985, which forms angles in the dtype of the activations,
        and transformers 5.23 (`vjepa2`, `hunyuan_vl`).

    Examples:
        >>> axes = phasor.axial(60, axes=3)
        >>> vjepa2 = phasor.UnevenRotary(64, frequencies=axes, blocks=3, layout="interleaved")
        >>> query, key = torch.randn(2, 1, 16, 8, 64)
        >>> cube = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(2))
        >>> query, key = vjepa2.rotate(query, key, vjepa2(cube))
    """

    sites = frozenset({"query_key", "value"})
    is_relative = False
    keeps_norm = False
    spelling = "uneven_rotary"
    compared = False
    paper = "arXiv:2506.09985"
    formula = (
        "(x, y) ← (x cos α − y sin α,  y cos β + x sin β);  x and y a pair, α and β its angles"
    )

    @constructed_from(UnevenRotarySpec)
    def __init__(self, options: UnevenRotarySpec) -> None:
        super().__init__()
        self.head_dim = options.head_dim
        self.frequencies = options.channels
        self.layout: Layout = options.layout
        self.precision: Precision = options.precision

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> UnevenTables:
        query = self._waves(positions, dtype)
        key = query if key_positions is None else self._waves(key_positions, dtype)
        return UnevenTables(query, key)

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: UnevenTables
    ) -> tuple[Tensor, Tensor | None]:
        dtype = prepared.query.cos.dtype
        check_query_key(query, key, head_dim=self.head_dim, dtype=dtype, owner="UnevenRotary")
        key = None if key is None else self._turn(key, prepared.key, "key")
        query = query * self.frequencies.softmax_scale
        return self._turn(query, prepared.query, "query"), key

    def turn_values(self, value: Tensor, prepared: UnevenTables) -> Tensor:
        """Turn values `[batch, num_kv_heads, key_seq, head_dim]` as their keys turn."""
        dtype = prepared.key.cos.dtype
        check_query_key(value, None, head_dim=self.head_dim, dtype=dtype, owner="UnevenRotary")
        return self._turn(value, prepared.key, "value")

    def turn_back(self, out: Tensor, prepared: UnevenTables) -> Tensor:
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

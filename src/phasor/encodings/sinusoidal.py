"""Sine and cosine of the position, added to the embedding."""

import math
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from phasor._encoding_spec import UNSTATED, EncodingSpec, constructed_from
from phasor._sizes import check_matrix
from phasor._words import number
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.embedding import add_table
from phasor.errors import ArgumentError
from phasor.positions import check_positions
from phasor.rotary import Frequencies, Layout, axial, cos_sin, geometric
from phasor.rotary.frequencies import check_geometric
from phasor.rotary.layout import check_layout
from phasor.rotary.phase import table_dtype

Wave = Literal["sine", "cosine"]
WAVES: tuple[Wave, ...] = get_args(Wave)


@dataclass(frozen=True)
class SinusoidalSpec(EncodingSpec["Sinusoidal"]):
    r"""`phasor.Sinusoidal` as data.

    Args:
        dim: Width of the embedding, $d$; a multiple of twice the number of axes.
        base: $b$, 10 000 in the paper.
        layout: `"interleaved"`: sine and cosine alternate, as in the paper. `"half"`: all sines,
            then all cosines, as in tensor2tensor, fairseq and Marian.
        endpoint: Divide exponents by $d - 2$ instead of $d$, so that the slowest pair has exactly
            $\omega = 1/b$, as in tensor2tensor, fairseq and Whisper.
        first: `"sine"`, or `"cosine"`: cosines have the place of sines and sines theirs, as in
            MusicGen.
        offset: Added to each position: 2 in fairseq, which keeps the first rows for padding.
        axes: $A$, numbers that each position consists of: 1 for text, 2 for images.
        rms: Root mean square of the entries. `None` keeps the plain sines and cosines, whose rms is
            $\sqrt{1/2}$: far above a GPT-style embedding initialised at 0.02, which it then drowns.
        learned_scale: Learn one factor of all entries, which starts where `rms` puts it.
    """

    dim: int
    _: KW_ONLY
    base: float = 10_000.0
    layout: Layout = "interleaved"
    endpoint: bool = False
    first: Wave = "sine"
    offset: int = 0
    axes: int = field(default=1, metadata=UNSTATED)
    rms: float | None = field(default=None, metadata=UNSTATED)
    learned_scale: bool = field(default=False, metadata=UNSTATED)

    def check(self) -> None:
        check_layout(self.layout)
        if self.first not in WAVES:
            raise ArgumentError(f"first must be one of {list(WAVES)}, got {self.first!r}")
        if self.offset < 0:
            raise ArgumentError(f"offset must be at least 0, got {self.offset}; 2 is fairseq's")
        axes, dim = self.axes, self.dim
        if axes < 1:
            raise ArgumentError(f"axes must be at least 1, got {axes}; 2 for rows and columns")
        if dim < 2 or dim % 2:
            raise ArgumentError(f"dim must be even and at least 2 for Sinusoidal, got {dim}")
        if dim % (2 * axes):
            raise ArgumentError(
                f"dim must be a multiple of 2 * axes = {2 * axes}, so that each axis gets whole "
                f"pairs, got {dim}"
            )
        if self.rms is not None and not (math.isfinite(self.rms) and self.rms > 0):
            raise ArgumentError(f"rms must be positive, got {self.rms}; None keeps plain sines")
        if self.endpoint and dim // axes < 4:
            raise ArgumentError(
                f"endpoint=True needs at least two pairs per axis, got dim={dim // axes}"
            )
        check_geometric(dim // axes, self.base)
        if axes > 1:  # what bounds dim bounds one row of the matrix
            check_matrix(axes, dim // 2)

    def in_words(self) -> str:
        how = "sines and cosines alternate" if self.layout == "interleaved" else "in halves"
        how += ", cosines first" if self.first == "cosine" else ""
        how += f", position 0 has those of {self.offset}" if self.offset else ""
        how += f", each of {self.axes} axes has its share" if self.axes > 1 else ""
        how += ", times a learned factor" if self.learned_scale else ""
        if self.rms is not None:
            how += f", {'at the start ' * self.learned_scale}of rms {number(self.rms)}"
        return f"sinusoidal: {number(self.dim)} channels, base {number(self.base)}, {how}"


@final
class Sinusoidal(PositionEncoding):
    r"""Fixed sines and cosines of the position, added to the embedding.

    Their wavelengths are spaced geometrically:
    $\mathrm{PE}(m, 2p) = \sin(m\,\omega_p)$ and $\mathrm{PE}(m, 2p+1) = \cos(m\,\omega_p)$ with
    $\omega_p = b^{-2p/d}$, for the layout `"interleaved"`.

    With several axes each has $d/A$ of the channels, the axes one after the other, and each such
    block is what a single axis has with $d/A$ for $d$.

    Attributes:
        scale: `[1]`, a parameter; the factor. `None` unless `learned_scale`.

    Raises:
        ArgumentError: `dim` that cannot be shared evenly, `base` or `rms` not positive,
            `offset` negative, unknown `layout` or `first`.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5. The authors' code (tensor2tensor) is
        `layout="half", endpoint=True`; MLX is that with `rms=dim**-0.5`; x-transformers is
        `layout="half", rms=(2 * dim) ** -0.5, learned_scale=True`; MusicGen is
        `layout="half", endpoint=True, first="cosine"`. With `axes=2`: DETR
        (arXiv:2005.12872) for positions `2 * pi * (phasor.positions.grid_2d(h, w).double() + 1)`
        divided by `torch.tensor([h, w]) + 1e-6`, `dim / 2` channels each; ViT-MAE
        (arXiv:2111.06377) with `layout="half"`, for `phasor.positions.grid_2d(h, w).flip(-1)`: it
        has the columns first.

    Examples:
        >>> encoding = phasor.Sinusoidal(4, base=100.0)
        >>> x = torch.zeros(1, 2, 4, dtype=torch.float64)
        >>> encoding.embed(x, encoding.prepare(torch.arange(2), dtype=x.dtype))[0, 0].tolist()
        [0.0, 1.0, 0.0, 1.0]
        >>> of_patches = phasor.Sinusoidal(64, axes=2)
        >>> of_patches.prepare(phasor.positions.grid_2d(14, 14)).shape
        torch.Size([196, 64])
    """

    sites = frozenset({"embedding"})
    spelling = "sinusoidal"
    paper = "arXiv:1706.03762"
    formula = "xₘ + (sin(m ωₚ), cos(m ωₚ)),  ωₚ = base^(−2p/d);  xₘ the token's embedding"

    @constructed_from(SinusoidalSpec)
    def __init__(self, options: SinusoidalSpec) -> None:
        super().__init__()
        self.dim = options.dim
        self.layout: Layout = options.layout
        self.endpoint = options.endpoint
        self.first: Wave = options.first
        self.offset = options.offset
        self.axes = options.axes
        self.frequencies = _frequencies(options)
        self.gain = 1.0 if options.rms is None else options.rms * math.sqrt(2.0)
        learned = options.learned_scale
        self.scale: nn.Parameter | None = nn.Parameter(torch.empty(1)) if learned else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The factor of the start; also what gives it a value after `to_empty`."""
        if self.scale is not None:
            nn.init.constant_(self.scale, self.gain)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        check_positions(positions, axes=self.axes, owner="Sinusoidal")
        if self.offset:
            whole = positions if positions.is_floating_point() else positions.long()
            positions = whole + self.offset
        cos, sin = cos_sin(positions, self.frequencies, dtype=table_dtype(dtype))
        cos, sin = (wave.unflatten(-1, (self.axes, -1)) for wave in (cos, sin))
        waves = (sin, cos) if self.first == "sine" else (cos, sin)
        if self.layout == "half":
            table = torch.cat(waves, dim=-1).flatten(-2)
        else:
            table = torch.stack(waves, dim=-1).flatten(-3)
        return (self.gain if self.scale is None else self.scale.to(table.dtype)) * table

    def embed(self, x: Tensor, prepared: Tensor) -> Tensor:
        return add_table(x, prepared, owner="Sinusoidal")


def _frequencies(options: SinusoidalSpec) -> Frequencies:
    dim, axes, base = options.dim, options.axes, options.base
    if not options.endpoint:
        return axial(dim, axes, base)
    block = _up_to_base(dim // axes, base)
    return block.with_inv_freq(torch.block_diag(*[block.inv_freq] * axes))


def _up_to_base(dim: int, base: float) -> Frequencies:
    whole = geometric(dim, base)
    inv_freq = [base ** (-2 * pair / (dim - 2)) for pair in range(dim // 2)]
    return whole.with_inv_freq(torch.tensor([inv_freq], dtype=torch.float64, device="cpu"))

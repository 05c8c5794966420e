"""Sine and cosine of the position, added to the embedding."""

import math
from typing import final

import torch
from torch import Tensor

from phasor.encoding import PositionEncoding
from phasor.encodings.additive import add_table
from phasor.errors import ArgumentError
from phasor.positions import check_positions
from phasor.rotary import Frequencies, Layout, cos_sin, geometric
from phasor.rotary.layout import check_layout
from phasor.rotary.phase import table_dtype


@final
class Sinusoidal(PositionEncoding):
    r"""Fixed sines and cosines of the position, added to the embedding.

    Their wavelengths are spaced geometrically:
    $\mathrm{PE}(m, 2p) = \sin(m\,\omega_p)$ and $\mathrm{PE}(m, 2p+1) = \cos(m\,\omega_p)$ with
    $\omega_p = b^{-2p/d}$, for the layout `"interleaved"`.

    Args:
        dim: Width of the embedding, $d$; even.
        base: $b$, 10 000 in the paper.
        layout: `"interleaved"`: sine and cosine alternate, as in the paper. `"half"`: all sines,
            then all cosines, as in tensor2tensor, fairseq and Marian.
        endpoint: Divide exponents by $d - 2$ instead of $d$, so that the slowest pair has exactly
            $\omega = 1/b$, as in tensor2tensor, fairseq and Whisper.
        rms: Root mean square of the entries. `None` keeps the plain sines and cosines, whose rms is
            $\sqrt{1/2}$: far above a GPT-style embedding initialised at 0.02, which it then drowns.

    Raises:
        ArgumentError: Odd `dim`, `base` or `rms` not positive, unknown `layout`.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5. The authors' code (tensor2tensor) is
        `layout="half", endpoint=True`.

    Examples:
        >>> encoding = phasor.Sinusoidal(4, base=100.0)
        >>> x = torch.zeros(1, 2, 4, dtype=torch.float64)
        >>> encoding.embed(x, encoding.prepare(torch.arange(2), dtype=x.dtype))[0, 0].tolist()
        [0.0, 1.0, 0.0, 1.0]
    """

    sites = frozenset({"embedding"})
    spelling = "sinusoidal"
    paper = "arXiv:1706.03762"

    def __init__(
        self,
        dim: int,
        *,
        base: float = 10_000.0,
        layout: Layout = "interleaved",
        endpoint: bool = False,
        rms: float | None = None,
    ) -> None:
        super().__init__()
        check_layout(layout)
        if dim < 2 or dim % 2:
            raise ArgumentError(f"dim must be even and at least 2 for Sinusoidal, got {dim}")
        if rms is not None and not (math.isfinite(rms) and rms > 0):
            raise ArgumentError(f"rms must be positive, got {rms}; None keeps plain sines")
        self.dim = dim
        self.layout: Layout = layout
        self.endpoint = endpoint
        self.frequencies = _up_to_base(dim, base) if endpoint else geometric(dim, base)
        self.gain = 1.0 if rms is None else rms * math.sqrt(2.0)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        check_positions(positions, owner="Sinusoidal")
        cos, sin = cos_sin(positions, self.frequencies, dtype=table_dtype(dtype))
        if self.layout == "half":
            table = torch.cat((sin, cos), dim=-1)
        else:
            table = torch.stack((sin, cos), dim=-1).flatten(-2)
        return self.gain * table

    def embed(self, x: Tensor, prepared: Tensor) -> Tensor:
        return add_table(x, prepared, owner="Sinusoidal")

    def extra_repr(self) -> str:
        return (
            f"dim={self.dim}, base={self.frequencies.base}, layout={self.layout!r}, "
            + f"endpoint={self.endpoint}, " * self.endpoint
            + f"rms={self.gain / math.sqrt(2.0):.4g}"
        )


def _up_to_base(dim: int, base: float) -> Frequencies:
    if dim < 4:
        raise ArgumentError(f"endpoint=True needs at least two pairs, got dim={dim}")
    whole = geometric(dim, base)
    inv_freq = [base ** (-2 * pair / (dim - 2)) for pair in range(dim // 2)]
    return whole.with_inv_freq(torch.tensor([inv_freq], dtype=torch.float64, device="cpu"))

"""xPos: a rotation whose pairs also fade with the distance, each at its own pace."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encoding import PositionEncoding
from phasor.encodings._bases.query_key import check_query_key
from phasor.errors import ArgumentError, PositionRangeError
from phasor.kernels.api import turn
from phasor.positions import check_covers, check_positions
from phasor.rotary import geometric
from phasor.rotary.frequencies import check_geometric
from phasor.rotary.layout import Layout, check_layout
from phasor.rotary.phase import table_dtype


class GainedPlaces(NamedTuple):
    """Positions `[seq]` or `[batch, seq]`, what they are multiplied by, and the gain there.

    The gain is `[seq, head_dim]` or `[batch, 1, seq, head_dim]`.
    """

    positions: Tensor
    operand: Tensor
    gain: Tensor


class GainTables(NamedTuple):
    """Where query and key are."""

    query: GainedPlaces
    key: GainedPlaces


@dataclass(frozen=True)
class XPosSpec(EncodingSpec["XPos"]):
    r"""`phasor.XPos` as data.

    Args:
        head_dim: Channels of each head, even.
        base: Of the frequencies, $\omega_p = b^{-2p/d}$.
        scale_base: $B$, in tokens.
        gamma: $\gamma > 0$; the larger, the slower all pairs fade.
        centre: $c$, the position at which no pair is scaled.
        layout: Which channels form a pair; `"interleaved"` in the authors' code.
    """

    head_dim: int
    _: KW_ONLY
    base: float = 10_000.0
    scale_base: float = 512.0
    gamma: float = 0.4
    centre: float = 0.0
    layout: Layout = "interleaved"

    def check(self) -> None:
        check_layout(self.layout)
        for name in ("scale_base", "gamma"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(f"{name} must be positive, got {getattr(self, name)}")
        if not math.isfinite(self.centre):
            raise ArgumentError(f"centre must be a finite position, got {self.centre}")
        check_geometric(self.head_dim, self.base)

    def in_words(self) -> str:
        half = self.head_dim // 2
        pairing = f"i with i + {half}" if self.layout == "half" else "2i with 2i + 1"
        fastest = self.gamma / (1 + self.gamma)
        centre = f", centred on position {number(self.centre)}" if self.centre else ""
        return (
            f"xPos: all {self.head_dim} channels turn, {pairing}, base {number(self.base)}, and "
            f"fade with the distance, the first pair to {number(fastest)} in "
            f"{number(self.scale_base)} tokens, the others less (gamma {number(self.gamma)})"
            f"{centre}"
        )


@final
class XPos(PositionEncoding):
    r"""A rotation whose pairs also fade with the distance (xPos), for causal attention.

    Pair $p$ of a query at $m$ is turned by $m\,\omega_p$ and multiplied by
    $\zeta_p^{(m - c)/B}$, of a key at $n$ by $\zeta_p^{-(n - c)/B}$, with
    $\zeta_p = (2p/d + \gamma)/(1 + \gamma) < 1$: their product fades as $\zeta_p^{(m-n)/B}$, the
    fastest pairs first. A key after its query grows instead, hence causal.

    The centre $c$ drops out of every product. It is fixed here, so cached keys stay right. The
    authors' code puts it in the middle of each sequence, $\lceil L/2 \rceil$, which moves as the
    sequence grows, and keeps keys unrotated for that; `centre=(length + 1) // 2` gives its numbers.

    Numbers grow with $|m - c|$: a position is refused where a gain would leave the square root of
    the range of the activations' dtype. With the usual arguments that is 17 847 tokens from the
    centre in float32 and bfloat16, 1 983 in float16. Put the centre amid the longest sequence, or
    make `scale_base` larger, to go further.

    Raises:
        ArgumentError: An odd `head_dim`, a number that is not positive, a `centre` that is not
            finite, or an unknown `layout`.

    Source:
        Sun et al. 2022, arXiv:2212.10554, algorithm 1, and torchscale. Not RetNet, whose code
        there turns by $b^{-p/(d/2 - 1)}$, fades no pair, and has a decay of each head instead.

    Examples:
        >>> xpos = phasor.XPos(64)
        >>> query, key = torch.randn(2, 1, 8, 10, 64)
        >>> query, key = xpos.rotate(query, key, xpos(torch.arange(10)))
    """

    sites = frozenset({"query_key"})
    keeps_norm = False
    spelling = "xpos"
    paper = "arXiv:2212.10554"
    formula = (
        "pair p turns as in rotary, and its product is times ζₚ^((m − n) / scale_base);  ζₚ < 1"
    )

    @constructed_from(XPosSpec)
    def __init__(self, options: XPosSpec) -> None:
        super().__init__()
        self.head_dim = options.head_dim
        self.base = options.base
        self.scale_base = options.scale_base
        self.gamma = options.gamma
        self.centre = options.centre
        self.layout: Layout = options.layout
        self.frequencies = geometric(options.head_dim, options.base)

    def prepare(
        self,
        positions: Tensor,
        *,
        key_positions: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> GainTables:
        key_positions = positions if key_positions is None else key_positions
        return GainTables(self._at(positions, 1, dtype), self._at(key_positions, -1, dtype))

    def rotate(
        self, query: Tensor, key: Tensor | None, prepared: GainTables
    ) -> tuple[Tensor, Tensor | None]:
        dtype = prepared.query.gain.dtype
        check_query_key(query, key, head_dim=self.head_dim, dtype=dtype, owner="XPos")
        turned = self._turn(query, prepared.query, "query")
        return turned, None if key is None else self._turn(key, prepared.key, "key")

    def reach(self, dtype: torch.dtype = torch.float32) -> float:
        """The furthest from the centre, in tokens, that activations of `dtype` can be."""
        number = torch.finfo(dtype)
        room = min(math.log(number.max), -math.log(number.tiny)) / 2
        return self.scale_base * room / math.log1p(1 / self.gamma)

    def _at(self, positions: Tensor, sign: int, dtype: torch.dtype) -> GainedPlaces:
        check_positions(positions, owner="XPos")
        distance = positions.double() - self.centre
        self._check_reach(positions, distance, dtype)
        pairs = torch.arange(self.head_dim // 2, device=positions.device, dtype=torch.float64)
        rate = ((2 * pairs / self.head_dim + self.gamma) / (1 + self.gamma)).log() / self.scale_base
        gain = (sign * distance.unsqueeze(-1) * rate).exp().to(table_dtype(dtype))
        if self.layout == "interleaved":
            gain = gain.repeat_interleave(2, dim=-1)
        else:
            gain = torch.cat((gain, gain), dim=-1)
        if positions.ndim == 2:
            gain = gain.unsqueeze(1)
        return GainedPlaces(positions, self.frequencies.operand(positions), gain)

    def _turn(self, x: Tensor, places: GainedPlaces, what: str) -> Tensor:
        batch, _, seq, _ = x.shape
        check_covers(places.positions, batch=batch, seq=seq, owner="XPos", what=what)
        # Scaled before it is turned: the product is wide, so there is one rounding, at the end.
        turned, _ = turn(
            x * places.gain,
            None,
            places.positions,
            places.operand,
            interleaved=self.layout == "interleaved",
            trailing=False,
            sign=1,
            gain=1.0,
            owner="XPos",
        )
        return turned.to(x.dtype)

    def _check_reach(self, positions: Tensor, distance: Tensor, dtype: torch.dtype) -> None:
        if positions.numel() == 0 or positions.device.type == "meta":
            return
        reach = self.reach(dtype)
        far = distance.abs() > reach
        if torch.compiler.is_compiling() or positions.device.type != "cpu":
            # Reading the value would break the graph or wait for the device; this does neither.
            torch._assert_async(~far.any(), "a position is too far from the centre of XPos")
        elif far.any():
            raise PositionRangeError(
                f"XPos has positions up to {int(reach)} tokens from its centre {self.centre:g} in "
                f"{dtype}, beyond which its gains leave the range of numbers, but was asked for "
                f"{positions[far][0].item()}; move the centre, or make scale_base or gamma larger"
            )

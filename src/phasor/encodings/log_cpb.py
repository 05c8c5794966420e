"""SwinV2's bias: a small network that sees the logarithm of the offset along each axis."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import final

import torch
from torch import Tensor, nn

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.window import WindowBias, check_window, num_rows
from phasor.encodings._handed_out import HandedOut
from phasor.errors import ArgumentError
from phasor.positions.checks import check_count


@dataclass(frozen=True)
class LogCPBSpec(EncodingSpec["LogCPB"]):
    """`phasor.LogCPB` as data.

    Args:
        num_heads: Number of query heads.
        window: Patches along each axis, such as `(8, 8)`; `(64,)` for positions without axes.
            Attention within a window is a matter of the batch axis or the mask.
        pretrained_window: $W$, patches along each axis where the network was trained, if that was
            another window. An axis of one patch has no offset but 0.
        mlp_width: Channels of the hidden layer, with ReLU.
    """

    num_heads: int
    _: KW_ONLY
    window: Sequence[int]
    pretrained_window: Sequence[int] | None = None
    mlp_width: int = 512

    def check(self) -> None:
        check_count(
            "num_heads", self.num_heads, at_least=1, advice="pass the number of query heads"
        )
        window = pretrained = check_window(self.window)
        check_count("mlp_width", self.mlp_width, at_least=1, advice="512 is the authors'")
        if self.pretrained_window is not None:
            pretrained = check_window(self.pretrained_window, name="pretrained_window")
        if len(pretrained) != len(window):
            raise ArgumentError(
                "window and pretrained_window must have the same axes, got "
                f"{window} and {pretrained}"
            )
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "pretrained_window", pretrained)

    def in_words(self) -> str:
        assert self.pretrained_window is not None
        trained = ""
        if self.pretrained_window != self.window:
            trained = f", trained in one of {' x '.join(map(number, self.pretrained_window))}"
        return (
            f"log-CPB: a bias for each of {self.num_heads} heads, which a network of "
            f"{number(self.mlp_width)} hidden channels makes of log-spaced offsets in a window of "
            f"{' x '.join(map(number, self.window))}{trained}"
        )


@final
class LogCPB(WindowBias):
    r"""A bias on the score that a network makes of log-spaced offsets within a window.

    Along each axis the offset $\Delta$ becomes
    $\operatorname{sign}(\Delta)\,\log_8(1 + 8\,|\Delta| / (W - 1))$. A network with one hidden
    layer makes a number $g_h$ for each head of these, and the score changes by
    $16\,\sigma(g_h)$. A larger window needs no new parameters.

    Attributes:
        hidden: The layer from the log-spaced offsets to `mlp_width` channels.
        out: The layer from these to the heads, without a bias.

    Raises:
        ArgumentError: A size less than 1, or windows of different numbers of axes.
        ArgumentTypeError: A window that is no sequence of integers.

    Source:
        Liu et al. 2021, arXiv:2111.09883, section 3.3. The factors 8 and 16, the sigmoid and the
        initial values (normal, 0.02) are those of the authors' code.

    Examples:
        >>> bias = phasor.LogCPB(4, window=(2, 3))
        >>> grid = phasor.positions.grid_2d(2, 3)
        >>> query, key, value = torch.randn(3, 1, 4, 6, 16)
        >>> phasor.attention(query, key, value, bias, positions=grid, causal=False).shape
        torch.Size([1, 4, 6, 16])
    """

    spelling = "log_cpb"
    compared = False
    paper = "arXiv:2111.09883"
    formula = "score + 16 σ(gₕ(sign(Δ) log₈(1 + 8 |Δ| / (window − 1))));  Δ the offset, gₕ learned"

    @constructed_from(LogCPBSpec)
    def __init__(self, options: LogCPBSpec) -> None:
        super().__init__(options.num_heads, options.window)
        assert options.pretrained_window is not None
        self.pretrained_window = tuple(options.pretrained_window)
        # Not a buffer: .to(bfloat16) would round the offsets, to_empty() would lose them.
        self.offsets = _log_offsets(self.window, self.pretrained_window)
        self.hidden = HandedOut(len(self.window), options.mlp_width)
        self.out = HandedOut(options.mlp_width, options.num_heads, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the network anew; also what gives it values after `to_empty`."""
        nn.init.trunc_normal_(self.hidden.weight, std=0.02)
        nn.init.zeros_(self.hidden.bias)
        nn.init.trunc_normal_(self.out.weight, std=0.02)

    def terms(self) -> tuple[Tensor, ...]:
        return self.offsets, *self.hidden(), self.out()[0]

    def derive(self, offsets: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> tuple[Tensor]:
        # Autocast would round the operands of these products, which decide between positions.
        with torch.autocast(offsets.device.type, enabled=False):
            return (16 * ((offsets @ weight.T + bias).relu() @ out.T).sigmoid(),)


def _log_offsets(window: tuple[int, ...], pretrained_window: tuple[int, ...]) -> Tensor:
    """`[rows, axes]`, float64: of every offset, row-major from the most negative ones."""
    axes = []
    for size, pretrained in zip(window, pretrained_window, strict=True):
        offset = torch.arange(1 - size, size, dtype=torch.float64, device="cpu")
        spaced = torch.log1p(8 * offset.abs() / max(pretrained - 1, 1)) / math.log(8)
        axes.append(offset.sign() * spaced)
    grid = torch.stack(torch.meshgrid(axes, indexing="ij"), -1)
    return grid.reshape(num_rows(window), len(window))

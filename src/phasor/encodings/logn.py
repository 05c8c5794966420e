"""Log-n attention: beyond the training length, queries grow with the log of their position."""

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor

from phasor._encoding_spec import EncodingSpec, constructed_from
from phasor._words import number
from phasor.encodings._bases.turn import QueryKeyTurn
from phasor.errors import ArgumentError


@dataclass(frozen=True)
class LogNSpec(EncodingSpec["LogN"]):
    """`phasor.LogN` as data.

    Args:
        original_seq_len: $L$, in tokens, at least 2.
    """

    original_seq_len: int

    def check(self) -> None:
        if self.original_seq_len < 2:
            raise ArgumentError(
                f"original_seq_len must be at least 2, got {self.original_seq_len}; pass the "
                "length of the sequences in training"
            )

    def in_words(self) -> str:
        return f"queries times max(1, ln(position + 1) / ln({number(self.original_seq_len)}))"


@final
class LogN(QueryKeyTurn):
    r"""Beyond the training length, queries grow with the logarithm of their position (log-n).

    The query at $m$, the $(m + 1)$-th token, is multiplied by $\max(1, \ln(m + 1) / \ln L)$: the
    softmax over more keys than in training stays as sharp as it was. Unlike `QueryTemperature` it
    grows with every token. Goes beside another encoding, in `Compose`, or alone in layers without
    one.

    Raises:
        ArgumentError: `original_seq_len` less than 2.

    Source:
        Chiang and Cholak 2022, arXiv:2202.12172; in this form Qwen 1 (`use_logn_attn`, with
        `seq_length` for $L$), arXiv:2309.16609, whose code applies it in inference alone and stops
        at 32 767 tokens.

    Examples:
        >>> logn = phasor.LogN(1024)
        >>> query, positions = torch.ones(1, 1, 3, 1), torch.tensor([0, 1023, 1024**2 - 1])
        >>> scaled, _ = logn.rotate(query, None, logn(positions))
        >>> scaled.flatten().tolist()
        [1.0, 1.0, 2.0]
    """

    turns_key = False
    is_relative = False
    keeps_norm = False
    spelling = "log_n"
    compared = False
    paper = "arXiv:2202.12172"
    formula = "q ← q · max(1, ln(m + 1) / ln L)"

    @constructed_from(LogNSpec)
    def __init__(self, options: LogNSpec) -> None:
        super().__init__()
        self.original_seq_len = options.original_seq_len

    def table(self, positions: Tensor) -> Tensor:
        # Positions before the first token, as padding may have, have no logarithm: they get 1.
        gain = positions.double().clamp(min=0).log1p() / math.log(self.original_seq_len)
        return gain.clamp(min=1.0)[:, None, :, None]

    def turn(self, x: Tensor, gain: Tensor) -> Tensor:  # type: ignore[override]
        return x * gain

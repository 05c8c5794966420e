"""One call of attention, as every way to compute it gets it: checked, rotated, masks described."""

from typing import NamedTuple

from torch import Tensor

from phasor.attention.allowed import Allowed
from phasor.encoding import PositionEncoding, Prepared, ScoreMod


class Call(NamedTuple):
    """Query and rotated key, value, and all that happens between their product and the softmax.

    Args:
        query: `[batch, num_heads, seq, channels]`, rotated.
        key: `[batch, num_kv_heads, key_seq, channels]`, rotated.
        value: `[batch, num_kv_heads, key_seq, head_dim]`.
        scale: Factor on the product of query and key.
        encoding: Whose `score_mod` it is.
        prepared: What it was made of.
        score_mod: `None` if the encoding leaves scores alone.
        softcap: Scores become `softcap * tanh(score / softcap)` after `score_mod`.
        allowed: Which key a query may attend to.
        lse: Whether the logarithm of the sum of the exponentials of each query's scores is
            wanted as well.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    scale: float
    encoding: PositionEncoding
    prepared: Prepared
    score_mod: ScoreMod | None
    softcap: float | None
    allowed: Allowed
    lse: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the scores: `batch, num_heads, seq, key_seq`."""
        batch, num_heads, seq, _ = self.query.shape
        return batch, num_heads, seq, self.key.shape[2]

    @property
    def is_additive(self) -> bool:
        """Whether all that happens to a score is that something is added to it."""
        return self.softcap is None and (self.score_mod is None or self.encoding.score_is_bias)

    @property
    def is_plain(self) -> bool:
        """Whether nothing happens to a score but the causal mask."""
        return self.score_mod is None and self.softcap is None and self.allowed.is_causal_alone

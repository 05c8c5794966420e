"""What is done to each attention score."""

from typing import Protocol

from torch import Tensor


class ScoreMod(Protocol):
    """Changes attention scores, in the signature of PyTorch's FlexAttention.

    `score` is the scaled product of query and key. The indices are integer tensors that broadcast
    with it, so one call serves a single score, a block of them or all.
    """

    def __call__(
        self, score: Tensor, batch: Tensor, head: Tensor, query_index: Tensor, key_index: Tensor
    ) -> Tensor: ...


def check_sizes(score_mod: ScoreMod | None, shape: tuple[int, int, int, int]) -> None:
    """Raise unless all scores, `shape` `[batch, num_heads, seq, key_seq]`, fit what was prepared.

    A `score_mod` that sees a block cannot tell how many there are. Those with a method
    `check_sizes(shape)` are asked here.
    """
    check = getattr(score_mod, "check_sizes", None)
    if check is not None:
        check(shape)

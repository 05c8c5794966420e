"""Which way attention is computed, and why another one cannot."""

from collections.abc import Callable
from typing import Literal, get_args

from torch import Tensor

from phasor.attention.blocks import blockwise, fits_one_block
from phasor.attention.call import Call
from phasor.attention.flex import flex, term_learns, why_not_flex
from phasor.attention.fused import fused
from phasor.attention.reference import reference
from phasor.attention.stand_in import check_stand_in

AttentionImpl = Literal["auto", "sdpa", "flex", "blockwise", "reference"]
IMPLS: tuple[AttentionImpl, ...] = get_args(AttentionImpl)

_WAYS: dict[str, Callable[[Call], Tensor | tuple[Tensor, Tensor]]] = {
    "sdpa": fused,
    "flex": flex,
    "blockwise": blockwise,
    "reference": reference,
}


def attend(call: Call, impl: AttentionImpl) -> Tensor | tuple[Tensor, Tensor]:
    """`call` by the way that `impl` names.

    Raises:
        NotImplementedError: That way cannot.
        ArgumentError: Context parallelism is active, and this cannot go through it.
    """
    check_stand_in(call, impl)
    if impl == "auto":
        return _WAYS[_fastest(call)](call)
    reason = None
    if impl == "sdpa" and not call.is_additive:
        name = "softcap" if call.softcap is not None else type(call.encoding).__name__
        reason = f"{name} does more to a score than add to it, which fused attention cannot"
    elif call.lse and impl in ("sdpa", "flex"):
        reason = f"impl={impl!r} keeps the log-sum-exp of its scores, which return_lse wants"
    elif impl == "flex":
        reason = why_not_flex(call)
    if reason is not None:
        raise NotImplementedError(f"{reason}; use impl='auto'")
    return _WAYS[impl](call)


def _fastest(call: Call) -> str:
    if call.lse:
        return "blockwise"
    if call.is_plain:
        return "sdpa"
    # What fits one block is one call of fused attention: no reason to compile anything for it. Of
    # learned terms FlexAttention has a gradient for some alone, and says so only when it compiles.
    if (
        call.query.device.type == "cuda"
        and not fits_one_block(call)
        and not term_learns(call)
        and why_not_flex(call) is None
    ):
        return "flex"
    return "blockwise"

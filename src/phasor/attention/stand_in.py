"""What stands in for PyTorch's fused attention, as context parallelism does, and what it can do."""

from types import BuiltinFunctionType

from torch.nn import functional

from phasor.attention.call import Call
from phasor.encoding import PositionEncoding
from phasor.errors import ArgumentError


def stand_in() -> str | None:
    """The module of the function in place of PyTorch's fused attention; `None` for its own.

    `torch.distributed.tensor.experimental.context_parallel` puts one there for as long as it is
    active: each process then holds a part of the queries, keys and values, and that function alone
    knows of the others'.
    """
    function = functional.scaled_dot_product_attention
    if isinstance(function, BuiltinFunctionType):
        return None
    return getattr(function, "__module__", None) or type(function).__name__


def check_stand_in(call: Call, impl: str) -> None:
    """Raise `ArgumentError` if something stands in that would not see all that this call needs."""
    module = stand_in()
    if module is None:
        return
    seq, key_seq = call.shape[2:]
    name = type(call.encoding).__name__
    if impl not in ("auto", "sdpa"):
        what = f"impl={impl!r} does not go through it"
    elif call.score_mod is not None:
        what = f"what {name} does to scores cannot go through it"
    elif call.encoding.looks_at:
        what = f"{name} looks at the tokens of other processes, which are not here"
    elif call.lse:
        what = "the log-sum-exp cannot come back through it"
    elif call.softcap is not None:
        what = "softcap cannot go through it"
    elif call.allowed.query_index is not None:
        what = "query_index cannot go through it"
    elif not call.allowed.is_causal_alone:
        what = "a mask, a window or documents cannot go through it"
    elif call.allowed.causal and seq != key_seq:
        what = f"causal attention of {seq} queries to {key_seq} keys needs a mask, which cannot"
    else:
        return
    raise ArgumentError(
        f"{_replaced(module)}, and {what}; call attention outside of it, with the keys and values "
        "of the whole sequence"
    )


def check_positions_given(encoding: PositionEncoding) -> None:
    """Raise `ArgumentError` if tokens would be numbered here although others may hold some."""
    module = stand_in()
    if module is not None and encoding.sites:
        raise ArgumentError(
            f"{_replaced(module)}, and {type(encoding).__name__} cannot know which tokens these "
            "are; pass positions=, sharded as query and key are"
        )


def _replaced(module: str) -> str:
    return (
        "torch.nn.functional.scaled_dot_product_attention is replaced by a function of "
        f"{module}, as context parallelism does, whose processes hold a part of the sequence each"
    )

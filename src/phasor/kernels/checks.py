"""Raise unless activations can be rotated, and rotated where they are."""

import torch
from torch import Tensor
from torch.autograd import forward_ad

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.kernels.cpu.launch import DTYPES
from phasor.positions import check_covers

# Tensors that are nothing but themselves: not fake, not distributed, no subclass of any kind.
PLAIN = (Tensor, torch.nn.Parameter)
# No program has its data below: there an address is zero, or an offset into a storage of nothing.
LOWEST = 1 << 22


def is_unwatched(x: Tensor, by: Tensor, and_by: Tensor, key: Tensor | None) -> bool:
    """Whether these are plain tensors on the CPU, turned as they are, and nobody looks on.

    PyTorch's dispatcher, which knows all who might, would take longer than a decoding step.

    Args:
        x: What turns, or anything.
        by: What it turns by, positions or cosines.
        and_by: Frequencies or sines, of which a minus sign is not looked for.
        key: What turns beside it.
    """
    if (
        torch.compiler.is_compiling()
        or type(x) not in PLAIN
        or type(by) not in PLAIN
        or type(and_by) not in PLAIN
        or not (x.is_cpu and by.is_cpu and and_by.is_cpu)
        # A minus sign that PyTorch has put off is not yet in memory.
        or x.is_neg()
        or by.is_neg()
        or (key is not None and (type(key) not in PLAIN or key.is_neg() or not key.is_cpu))
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
        or torch._C._get_tracing_state() is not None
        or forward_ad._current_level >= 0
    ):
        return False
    return not torch.is_grad_enabled() or not (
        x.requires_grad
        or by.requires_grad
        or and_by.requires_grad
        or (key is not None and key.requires_grad)
    )


def check_activations(
    x: Tensor, places: Tensor, *, rotary_dim: int, axes: int, owner: str, what: str
) -> None:
    """Raise unless `x` is `[batch, heads, seq, head_dim]` and fits what it is rotated by.

    Args:
        x: Query or key.
        places: Its positions, `[seq]` or `[batch, seq]`, with a last axis if `axes` > 1.
        rotary_dim: Channels that turn.
        axes: Of the positions.
        owner: Who asks, for the error messages.
        what: `"query"` or `"key"`.
    """
    if x.ndim != 4:
        raise ArgumentError(
            f"{what} must be [batch, num_heads, seq, head_dim], got shape {list(x.shape)}"
        )
    batch, _, seq, head_dim = x.shape
    if head_dim < rotary_dim:
        raise ArgumentError(
            f"{owner} turns {rotary_dim} channels but {what} has head_dim {head_dim}; "
            f"use a rotary_dim of at most {head_dim}"
        )
    check_activation_dtype(what, x)
    shape = places.shape
    at = len(shape) - 1 if axes == 1 else len(shape) - 2
    if shape[at] != seq or (at == 1 and shape[0] != 1 and shape[0] != batch):
        place = places if axes == 1 else places[..., 0]
        check_covers(place, batch=batch, seq=seq, owner=owner, what=what)


def check_activation_dtype(what: str, x: Tensor) -> None:
    """Raise unless `x` is of a dtype that can be rotated."""
    if not x.is_floating_point():
        raise ArgumentTypeError(f"{what} must be floating point, got {x.dtype}")
    if x.dtype not in DTYPES:
        raise ArgumentTypeError(
            f"{what} must be float32, bfloat16, float16 or float64, got {x.dtype}; rotate before "
            f"it is quantized, or {what}.to(torch.bfloat16)"
        )


def check_devices(query: Tensor, **others: Tensor | None) -> None:
    """Raise unless all are on one device."""
    device = query.device
    for what, x in others.items():
        if x is not None and x.device != device:
            raise ArgumentError(
                f"query and {what} must be on one device, got {device} and {x.device}; move the "
                f"{what}: .to({str(device)!r})"
            )


def check_writable(query: Tensor, key: Tensor | None, *read: Tensor) -> None:
    """Raise unless query and key can be overwritten: each element one place in memory.

    Args:
        query: Is overwritten.
        key: Is overwritten, or `None`.
        read: What they are turned by, while they are overwritten.
    """
    for what, x in (("query", query), ("key", key)):
        if x is not None:
            check_overwritten(what, x)
            for other in read:
                if may_share(x, other):
                    raise ArgumentError(
                        f"{what} shares memory with what it is turned by, so it cannot be rotated "
                        "in place; pass inplace=False, or positions.clone()"
                    )
    if key is not None and may_share(query, key):
        raise ArgumentError(
            "query and key share memory, so neither can be rotated in place; pass inplace=False, "
            "or one of them"
        )


def check_overwritten(what: str, x: Tensor) -> None:
    """Raise unless `x` can be overwritten: each element one place in memory."""
    if _overlaps_itself(x):
        raise ArgumentError(
            f"{what} has elements that share memory and cannot be written in place, got shape "
            f"{list(x.shape)} with strides {list(x.stride())}; pass inplace=False, or "
            f"{what}.clone()"
        )
    if not torch.compiler.is_compiling() and x._is_zerotensor():
        raise ArgumentError(
            f"{what} is a tensor of zeros without memory (of forward-mode autograd) and cannot be "
            f"rotated in place; pass inplace=False, or {what}.clone()"
        )


def check_leaf(query: Tensor, key: Tensor | None) -> None:
    """Raise if autograd would have to differentiate by a value that is overwritten."""
    for what, x in (("query", query), ("key", key)):
        if x is not None and x.requires_grad and x.is_leaf and torch.is_grad_enabled():
            raise ArgumentError(
                f"{what} is a leaf that requires a gradient and cannot be rotated in place; pass "
                "inplace=False, or rotate it under torch.no_grad()"
            )


def _overlaps_itself(x: Tensor) -> bool:
    """Whether two elements may be one: each stride must reach past all that lies within it."""
    if x.is_contiguous():
        return False
    reach = 1
    for step, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size > 1:
            if step < reach:
                return x.numel() > 0
            reach += (size - 1) * step
    return False


def may_share(x: Tensor, other: Tensor) -> bool:
    """Whether memory of one may be memory of the other, as far as they have addresses."""
    if x is other:
        return True
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False  # the operator looks again, when it gets the tensors themselves
    if type(x) not in PLAIN or type(other) not in PLAIN or x.is_meta or other.is_meta:
        return False
    return _share_elements(x, other)


def _share_elements(query: Tensor, key: Tensor) -> bool:
    """Whether an element of one may be one of the other: of views of one buffer too."""
    size = query.element_size()
    apart = key.data_ptr() - query.data_ptr()
    # Most lie apart: what comes first in memory ends before the other begins.
    if apart >= reach(query) * size if apart >= 0 else -apart >= reach(key) * key.element_size():
        return False
    if not query.numel() or not key.numel():
        return False
    if query.ndim != 4 or key.ndim != 4:
        return True
    # Columns of one buffer: within a period that both repeat, one must end before the other begins.
    for dim in (0, 1, 2):
        period = query.stride(dim) * size
        if key.stride(dim) * key.element_size() != period or not period:
            continue
        others = [d for d in range(4) if d != dim and query.shape[d] > 1]
        larger = [d for d in others if query.stride(d) * size >= period]
        if any(
            (query.stride(d) * size) % period or query.stride(d) != key.stride(d) for d in larger
        ):
            continue
        within = [d for d in range(4) if d != dim and d not in larger]
        query_width = (1 + sum((query.shape[d] - 1) * query.stride(d) for d in within)) * size
        key_width = (1 + sum((key.shape[d] - 1) * key.stride(d) for d in within)) * size
        offset = apart % period
        if query_width <= offset and offset + key_width <= period:
            return False
    return True


def reach(x: Tensor) -> int:
    """Elements from the first in memory to the last."""
    if x.is_contiguous() or x.numel() == 0:
        return x.numel()
    return 1 + sum((size - 1) * step for size, step in zip(x.shape, x.stride(), strict=True))


def beside(query: Tensor, frequencies: Tensor) -> Tensor:
    """`frequencies`, which are nobody's argument, in the mode of a fake query."""
    mode = None if torch.compiler.is_compiling() else getattr(query, "fake_mode", None)
    return frequencies if mode is None else mode.from_tensor(frequencies)


def with_axes(positions: Tensor, axes: int) -> Tensor:
    """Positions as kernels take them: `[batch or 1, seq, axes]`, in a dtype that they know."""
    if axes == 1:
        positions = positions.unsqueeze(-1)
    if positions.ndim == 2:
        positions = positions.unsqueeze(0)
    if positions.is_floating_point():
        known = (torch.float32, torch.float64)
        return positions if positions.dtype in known else positions.double()
    return positions if positions.dtype in (torch.int32, torch.int64) else positions.long()

"""Raise unless positions, and the numbers that they are built from, can be right."""

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError


def check_positions(positions: Tensor, *, axes: int = 1, owner: str) -> None:
    """Raise unless `positions` is `[seq]` or `[batch, seq]`, with a last axis if `axes` > 1."""
    if not isinstance(positions, Tensor):
        raise ArgumentTypeError(
            f"{owner} takes positions as a tensor, got {type(positions).__name__}; "
            "wrap them: torch.as_tensor(positions)"
        )
    if positions.dtype == torch.bool or positions.is_complex():
        raise ArgumentTypeError(
            f"{owner} takes integer or float positions, got {positions.dtype}; "
            "to number the tokens of a padding mask use phasor.positions.from_mask(mask)"
        )
    if axes == 1:
        if positions.ndim not in (1, 2):
            raise ArgumentError(
                f"{owner} takes positions [seq] or [batch, seq], got shape {list(positions.shape)}"
            )
        return
    check_dense(positions=positions)
    if positions.ndim not in (2, 3) or positions.shape[-1] != axes:
        raise ArgumentError(
            f"{owner} takes positions [seq, {axes}] or [batch, seq, {axes}], one number for each "
            f"of its {axes} axes, got shape {list(positions.shape)}"
        )


def check_dense(**tensors: Tensor | None) -> None:
    """Raise unless each is a tensor whose elements lie in memory one by one, or `None`."""
    for what, x in tensors.items():
        if x is None:
            continue
        if not isinstance(x, Tensor):
            raise ArgumentTypeError(
                f"{what} must be a tensor, got {type(x).__name__}; wrap it: torch.as_tensor({what})"
            )
        if x.is_nested:
            raise ArgumentTypeError(
                f"{what} must be a dense tensor, got a nested one; pass its tokens packed in one "
                "sequence, or padded: torch.nested.to_padded_tensor"
            )
        if x.layout is not torch.strided:
            raise ArgumentTypeError(
                f"{what} must be a dense tensor, got layout {x.layout}; pass {what}.to_dense()"
            )
        if x.is_quantized:
            raise ArgumentTypeError(
                f"{what} must not be quantized, got {x.dtype}; pass {what}.dequantize()"
            )


def check_covers(positions: Tensor, *, batch: int, seq: int, owner: str, what: str) -> None:
    """Raise unless `positions`, without their axes, fit `batch` sequences of `seq` tokens."""
    if positions.shape[-1] != seq:
        raise ArgumentError(
            f"{owner} was prepared for {positions.shape[-1]} positions but {what} has {seq} "
            "tokens; prepare it with one position for each token, and pass activations as "
            "[batch, num_heads, seq, head_dim]"
        )
    if positions.ndim == 2 and positions.shape[0] not in (1, batch):
        raise ArgumentError(
            f"{owner} was prepared for a batch of {positions.shape[0]} but {what} has {batch}; "
            "pass positions [seq], shared by the batch, or [batch, seq]"
        )


def check_range(positions: Tensor, end: int, *, owner: str, advice: str) -> None:
    """Raise unless every position is at least 0 and less than `end`."""
    if positions.numel() == 0 or positions.device.type == "meta":
        return
    if not positions.is_floating_point():
        positions = positions.long()  # unsigned integers cannot be compared
    if torch.compiler.is_compiling() or positions.device.type != "cpu":
        # Reading the value would break the graph or wait for the device; this does neither.
        inside = ((positions >= 0) & (positions < end)).all()
        torch._assert_async(inside, f"{owner} has positions 0 to {end - 1}; {advice}")
        return
    outside = positions[(positions < 0) | (positions >= end)]
    if outside.numel():
        raise PositionRangeError(
            f"{owner} has positions 0 to {end - 1} but was asked for {outside[0].item()}; {advice}"
        )


def check_count(name: str, value: int, *, at_least: int, advice: str) -> None:
    """Raise unless `value` is a whole number that is not too small."""
    if not isinstance(value, (int, torch.SymInt)) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be an integer, got {value!r}; {advice}")
    if value < at_least:
        raise ArgumentError(f"{name} must be at least {at_least}, got {value}; {advice}")


def check_integers(name: str, value: Tensor, *, advice: str) -> None:
    """Raise unless `value` is a tensor of integers."""
    if not isinstance(value, Tensor):
        raise ArgumentTypeError(f"{name} must be a tensor of integers, got {value!r}; {advice}")
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise ArgumentTypeError(f"{name} must be a tensor of integers, got {value.dtype}; {advice}")

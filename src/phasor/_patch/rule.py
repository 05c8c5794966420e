"""How an apply function turns pairs of channels: a description that can be carried out."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.autograd import forward_ad

from phasor.kernels.by_table import Rounding, rotate_by_table
from phasor.rotary.layout import Layout

Columns = Literal["single", "both halves", "lower half", "evens and odds", "evens"]


@dataclass(frozen=True)
class Rule:
    """A rotation of pairs of channels by a table.

    Attributes:
        pairs_in: Which channels of the input form a pair.
        pairs_out: Where they go.
        columns: Which columns of the table the two channels of a pair read.
        sign: 1, or -1 where the angle is negative.
        trailing: Whether the last channels of a head turn, not the first.
        heads: The dimension of the activations that the table lacks: -3 or -2.
        suffix: Whether a table longer than a sequence is used from its end.
    """

    pairs_in: Layout
    pairs_out: Layout
    columns: Columns
    sign: int
    trailing: bool
    heads: int
    suffix: bool = False

    @property
    def reads_once(self) -> bool:
        """Whether both channels of a pair read the same column, whatever the table holds."""
        return self.columns in ("single", "lower half", "evens")

    def column(self, table: Tensor, of: int) -> Tensor:
        """What the first (`of` = 0) or second channels of all pairs read, `[..., pairs]`."""
        half = table.shape[-1] // 2
        if self.columns == "single":
            return table
        if self.columns in ("evens", "evens and odds"):
            return table[..., of if self.columns == "evens and odds" else 0 :: 2]
        return table[..., half:] if of and self.columns == "both halves" else table[..., :half]


@dataclass(frozen=True)
class Arithmetic:
    """In which dtypes an apply function computes.

    Attributes:
        wide: The dtype that it casts everything to first, or `None` where PyTorch's own promotion
            of activations and table decides.
        out: Dtype of the result.
        casts_twice: Whether it casts its activations anew for each of the two products, so that
            their gradients are rounded before they are added.
    """

    wide: torch.dtype | None
    out: torch.dtype
    casts_twice: bool = False


def turn(x: Tensor, cos: Tensor, sin: Tensor, rule: Rule, arithmetic: Arithmetic) -> Tensor:
    """What the apply function computes for `x`, operation by operation, rounding by rounding.

    Args:
        x: `[..., heads, seq, head_dim]`, or `[..., seq, heads, head_dim]` where `rule.heads` is -2.
        cos: As the function gets it: `[..., seq, width]`, or with a dimension of 1 for the heads.
        sin: As `cos`.
        rule: The rotation.
        arithmetic: Its dtypes.
    """
    cos, sin = (_aligned(table, x, rule) for table in (cos, sin))
    if arithmetic.wide is not None:
        cos, sin = cos.to(arithmetic.wide), sin.to(arithmetic.wide)
    pairs = rule.column(cos, 0).shape[-1]
    before, turning, after = _split(x, pairs, rule)
    other = turning
    if arithmetic.wide is not None:
        turning = turning.to(arithmetic.wide)
        other = other.to(arithmetic.wide) if arithmetic.casts_twice else turning
    first, second = _apart(turning, pairs, rule.pairs_in)
    one, two = first * rule.column(cos, 0), second * rule.column(cos, 1)
    first, second = _apart(other, pairs, rule.pairs_in)
    if rule.sign > 0:
        one, two = one - second * rule.column(sin, 0), two + first * rule.column(sin, 1)
    else:
        one, two = one + second * rule.column(sin, 0), two - first * rule.column(sin, 1)
    if rule.pairs_out == "half":
        parts = (before, one, two, after)
    else:
        parts = (before, torch.stack((one, two), dim=-1).flatten(-2), after)
    return torch.cat([part.to(arithmetic.out) for part in parts if part.shape[-1]], dim=-1)


def fits_kernel(x: Tensor, cos: Tensor, rule: Rule, *, one_angle: bool) -> bool:
    """Whether one pass of a kernel can carry out the rule, but for its roundings.

    Args:
        x: The activations.
        cos: The table.
        rule: The rotation.
        one_angle: Whether the columns that a pair reads are known to hold the same numbers.
    """
    seq = -2 if rule.heads == -3 else -3
    table_seq = cos.shape[seq if cos.ndim == x.ndim else -2]
    # A table of another batch is broadcast by PyTorch, and not by a kernel.
    batches = cos.shape[0] if x.ndim == 4 and cos.ndim > 2 else 1
    whole = cos.shape[-1] * (2 if rule.columns == "single" else 1) == x.shape[-1]
    return (
        (rule.reads_once or one_angle)
        and (rule.pairs_in == rule.pairs_out or whole)
        and batches in (1, x.shape[0])
        and not _is_differentiated(cos)
        and (table_seq == x.shape[seq] or (rule.suffix and table_seq > x.shape[seq]))
    )


def _is_differentiated(x: Tensor) -> bool:
    """Whether a derivative, backward or forward, reaches `x`."""
    if x.requires_grad:
        return True
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(x).tangent is not None


def turn_at_once(
    x: Tensor,
    other: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    rule: Rule,
    rounding: Rounding,
    backward_rounding: Rounding,
) -> tuple[Tensor, Tensor | None]:
    """The same by `rotate_by_table`, for one or two tensors of one dtype and head_dim."""
    cos, sin = (_of_sequence(rule.column(table, 0), x, rule) for table in (cos, sin))
    if rule.sign < 0:
        sin = -sin
    query, key = (None if y is None else _as_heads(y, cos.shape[-1], rule) for y in (x, other))
    assert query is not None
    start = query.shape[-1] - 2 * cos.shape[-1] if rule.trailing else 0
    # The order in which a norm before the rotation sums its gradients follows from their strides.
    order = None if rounding == "once" else "seq first" if rule.heads == -2 else "heads first"
    turned = rotate_by_table(
        query, key, cos, sin, layout=rule.pairs_out, start=start, rounding=rounding,
        backward_rounding=backward_rounding, gradient_order=order,
    )  # fmt: skip
    query, key = (None if y is None else _from_heads(y, x.ndim, rule) for y in turned)
    assert query is not None
    return query, key


def _aligned(table: Tensor, x: Tensor, rule: Rule) -> Tensor:
    if table.ndim < x.ndim:
        table = table.unsqueeze(rule.heads)
    seq = -2 if rule.heads == -3 else -3
    if rule.suffix and table.shape[seq] > x.shape[seq]:
        table = table.narrow(seq, table.shape[seq] - x.shape[seq], x.shape[seq])
    return table


def _of_sequence(table: Tensor, x: Tensor, rule: Rule) -> Tensor:
    """`[1 or batch, seq, pairs]`."""
    if table.ndim == 3 and x.ndim == 4 and not rule.suffix:
        return table  # as decoding has it, where each view of a tensor counts
    table = _aligned(table, x, rule).squeeze(rule.heads)
    return table if table.ndim == 3 else table.unsqueeze(0)


def _as_heads(x: Tensor, pairs: int, rule: Rule) -> Tensor:
    """`[batch, heads, seq, head_dim]`, with the pairs where they come out."""
    if rule.pairs_in != rule.pairs_out:
        x = torch.cat(_apart(x, pairs, rule.pairs_in), dim=-1)
    if rule.heads == -2:
        x = x.transpose(-2, -3)
    return x if x.ndim == 4 else x.unsqueeze(0)


def _from_heads(x: Tensor, ndim: int, rule: Rule) -> Tensor:
    if ndim == 3:
        x = x.squeeze(0)
    return x.transpose(-2, -3) if rule.heads == -2 else x


def _split(x: Tensor, pairs: int, rule: Rule) -> tuple[Tensor, ...]:
    rest = x.shape[-1] - 2 * pairs
    before = rest if rule.trailing else 0
    return x.split((before, 2 * pairs, rest - before), dim=-1)


def _apart(turning: Tensor, pairs: int, layout: Layout) -> tuple[Tensor, Tensor]:
    if layout == "half":
        return turning[..., :pairs], turning[..., pairs:]
    return turning[..., ::2], turning[..., 1::2]

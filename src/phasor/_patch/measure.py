"""What an apply function does, found by handing it numbers.

Its text does not tell: files share it word for word and pair other channels, because a helper
differs. For numbers in general position no two rules give the same result, so the one that does
is the rule; bit for bit, so are the dtypes it computes in.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import wraps
from itertools import product
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from phasor._patch.rule import Arithmetic, Columns, Rule, turn
from phasor.rotary.layout import LAYOUTS

P = ParamSpec("P")
T = TypeVar("T")

# Takes activations, cos and sin; returns the activations turned.
Apply = Callable[[list[Tensor], Tensor, Tensor], list[Tensor]]

# What a function raises for shapes that it was not written for.
MISFIT = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError)

_SINGLE: tuple[Columns, ...] = ("single",)
_DOUBLED: tuple[Columns, ...] = ("both halves", "lower half", "evens and odds", "evens")


def apart(measure: Callable[P, T]) -> Callable[P, T]:
    """`measure` in a thread of its own, where no mode of the caller's holds.

    Autocast, a trace, a default device, hooks on what is saved for a gradient: each changes what
    is measured, or notices that something was, and each belongs to one thread.
    """

    @wraps(measure)
    def measured(*args: P.args, **kwargs: P.kwargs) -> T:
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(measure, *args, **kwargs).result()

    return measured


def rule_of(
    apply: Apply, *, ndim: int, table_ndim: int, head_dim: int, width: int, count: int
) -> Rule | None:
    """The rule that `apply` follows for tensors of such shapes, or `None` where there is none.

    Args:
        apply: The function.
        ndim: Of the activations: 4, or 3 without a batch.
        table_ndim: Of cos and sin.
        head_dim: Last dimension of the activations.
        width: Last dimension of cos and sin.
        count: How many tensors turn in one call.
    """
    for heads in (-3, -2):
        tensors, cos, sin = trial(
            heads, torch.float64, torch.float64, ndim=ndim, table_ndim=table_ndim,
            head_dim=head_dim, width=width, count=count,
        )  # fmt: skip
        out = _attempt(apply, tensors, cos, sin)
        if out is None:
            continue
        for rule in _candidates(head_dim, width, heads):
            if _follows(rule, tensors, cos, sin, out):
                return _with_suffix(rule, apply, tensors, cos, sin)
    return None


def arithmetic_of(
    apply: Apply,
    rule: Rule,
    dtype: torch.dtype,
    table_dtype: torch.dtype,
    *,
    ndim: int,
    table_ndim: int,
    head_dim: int,
    width: int,
    count: int,
) -> Arithmetic | None:
    """The dtypes in which `apply` computes, forward and backward; `None` where none fits its bits.

    Args:
        apply: The function.
        rule: What it does.
        dtype: Of the activations.
        table_dtype: Of cos and sin.
        ndim: As for `rule_of`, as are the others.
        table_ndim: See there.
        head_dim: See there.
        width: See there.
        count: See there.
    """
    sizes = {"ndim": ndim, "table_ndim": table_ndim, "head_dim": head_dim, "width": width}
    tensors, cos, sin = trial(rule.heads, dtype, table_dtype, count=count, **sizes)
    tensors = [x.requires_grad_() for x in tensors]
    out = _attempt(apply, tensors, cos, sin)
    if out is None:
        return None
    gradients = [_numbers(list(y.shape), seed=20 + i).to(y.dtype) for i, y in enumerate(out)]
    back = torch.autograd.grad(out, tensors, gradients)
    ways = [(None, False), *product((torch.float32, torch.float64), (False, True))]
    for wide, casts_twice in ways:
        arithmetic = Arithmetic(wide, out[0].dtype, casts_twice)
        same = [turn(x, cos, sin, rule, arithmetic) for x in tensors]
        same_back = torch.autograd.grad(same, tensors, gradients)
        if all(map(torch.equal, (*out, *back), (*same, *same_back))):
            return arithmetic
    return None


def trial(
    heads: int,
    dtype: torch.dtype,
    table_dtype: torch.dtype,
    *,
    ndim: int,
    table_ndim: int,
    head_dim: int,
    width: int,
    count: int,
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Random activations, cos and sin of such shapes; the other arguments are as for `rule_of`."""
    shape, table_shape = _shapes(ndim, table_ndim, head_dim, width, heads)
    tensors = [_numbers(shape, seed=seed).to(dtype) for seed in range(count)]
    cos, sin = (_numbers(table_shape, seed=seed).to(table_dtype) for seed in (7, 8))
    return tensors, cos, sin


def _shapes(
    ndim: int, table_ndim: int, head_dim: int, width: int, heads: int
) -> tuple[list[int], list[int]]:
    """Every size is another, so that nothing fits by chance."""
    lead = [2, 5] if ndim == 4 else [5]
    table = lead[-(table_ndim - 1) :] if table_ndim < ndim else list(lead)
    at = len(lead) + 2 + heads
    if table_ndim == ndim:
        table.insert(at, 1)
    lead.insert(at, 3)
    return [*lead, head_dim], [*table, width]


def _numbers(shape: list[int], *, seed: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator, device="cpu")


def _attempt(apply: Apply, tensors: list[Tensor], cos: Tensor, sin: Tensor) -> list[Tensor] | None:
    try:
        out = apply(tensors, cos, sin)
    except MISFIT:
        return None
    alike = len(out) == len(tensors) and all(
        isinstance(y, Tensor) and y.shape == x.shape for x, y in zip(tensors, out, strict=True)
    )
    return out if alike else None


def _candidates(head_dim: int, width: int, heads: int) -> Iterator[Rule]:
    layouts = ((a, b) for a in LAYOUTS for b in LAYOUTS)
    kinds = (_SINGLE if 2 * width <= head_dim else ()) + (
        _DOUBLED if width <= head_dim and width % 2 == 0 else ()
    )
    for (pairs_in, pairs_out), columns, sign, trailing in product(
        layouts, kinds, (1, -1), (False, True)
    ):
        yield Rule(pairs_in, pairs_out, columns, sign, trailing, heads)


def _follows(
    rule: Rule, tensors: list[Tensor], cos: Tensor, sin: Tensor, out: list[Tensor]
) -> bool:
    # Loose enough for functions that compute in float32 whatever they are given.
    return all(
        torch.allclose(
            turn(x, cos, sin, rule, Arithmetic(None, x.dtype)), y.to(x.dtype), rtol=0, atol=1e-4
        )
        for x, y in zip(tensors, out, strict=True)
    )


def _with_suffix(rule: Rule, apply: Apply, tensors: list[Tensor], cos: Tensor, sin: Tensor) -> Rule:
    """The same rule, knowing whether a query shorter than the table is turned by its end."""
    suffixed = replace(rule, suffix=True)
    if len(tensors) < 2 or rule.heads != -3:
        return rule
    shorter = [tensors[0][..., 2:, :], *tensors[1:]]
    out = _attempt(apply, shorter, cos, sin)
    return suffixed if out and _follows(suffixed, shorter, cos, sin, out) else rule

"""A contender at a workload: checked, and only then ready to be timed."""

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from phasor._bench.contender import Contender, Rotation
from phasor._bench.correctness import rotation_error, tolerance
from phasor._bench.results import Row, Status
from phasor._bench.timing import Work
from phasor._bench.workload import Direction, Pair, Workload, random_pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """The tensors that the contenders of one case share, as `[batch, heads, seq, head_dim]`.

    Args:
        source: Never overwritten; memory `[batch, seq, heads, head_dim]`.
        scratch: For those that overwrite; the same memory order.
        heads_first: As `scratch`, memory `[batch, heads, seq, head_dim]`.
    """

    source: Pair
    scratch: Pair
    heads_first: Pair

    @classmethod
    def of(cls, workload: Workload) -> "Memory":
        """Fresh numbers, the same in each pair."""
        source = random_pair(workload)
        query, key = (x.contiguous() for x in source)
        return cls(source=source, scratch=_copies(source), heads_first=(query, key))

    def pair(self, contender: Contender) -> Pair:
        """What `contender` gets."""
        if contender.storages[0] == "heads first":
            return self.heads_first
        return self.scratch if contender.mutates else self.source


def seen(contender: Contender, pair: Pair) -> Pair:
    """Between `[batch, heads, seq, head_dim]` and what the contender takes, either way."""
    return (pair[0].transpose(1, 2), pair[1].transpose(1, 2)) if contender.seq_first else pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """Work that was found correct, with its error."""

    contender: Contender
    workload: Workload
    error: float
    work: Work


def enter(
    contender: Contender, workload: Workload, direction: Direction, memory: Memory
) -> Entry | Row:
    """Prepare a contender and check it.

    Args:
        contender: Who.
        workload: What to rotate.
        direction: Forward or backward.
        memory: The tensors.

    Returns:
        What to time; or a row that says why it must not be timed.
    """

    def refused(status: Status, reason: str, error: float | None = None) -> Row:
        return Row(
            contender=contender.name, layout=workload.layout, status=status, reason=reason,
            error=error,
        )  # fmt: skip

    why_not = contender.why_not(workload, direction)
    if why_not is not None:
        return refused("cannot", why_not)
    try:
        with _quiet():
            return _checked(contender, workload, direction, memory.pair(contender), refused)
    # A library may fail in any way; the others are measured all the same.
    except Exception as failure:
        first = (str(failure).strip() or "no message").splitlines()[0]
        return refused("failed", f"{type(failure).__name__}: {first}")


def _checked(
    contender: Contender,
    workload: Workload,
    direction: Direction,
    pair: Pair,
    refused: Callable[..., Row],
) -> Entry | Row:
    rotation = contender.prepare(workload)
    if direction == "forward":
        after = seen(contender, rotation(*seen(contender, _copies(pair))))
        work = _forward(rotation, seen(contender, pair))
    else:
        after = seen(contender, _gradients(rotation, contender, pair))
        work = _backward(rotation, seen(contender, pair), seen(contender, _copies(pair)))
    error = rotation_error(pair, after, workload, direction)
    if error == math.inf:
        return refused("wrong", "another shape or dtype, or numbers that are not finite")
    allowed = tolerance(workload)
    if error > allowed:
        return refused("wrong", f"error {error:.2g}, rounding explains {allowed:.1g}", error)
    return Entry(contender=contender, workload=workload, error=error, work=work)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what libraries say about themselves while they are imported."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _forward(rotation: Rotation, inputs: Pair) -> Work:
    query, key = inputs
    return Work(call=lambda _: rotation(query, key))


def _backward(rotation: Rotation, inputs: Pair, gradients: Pair) -> Work:
    leaves = _leaves(inputs)
    return Work(
        setup=lambda: rotation(*leaves),
        call=lambda outputs: torch.autograd.grad(outputs, leaves, gradients),
    )


def _gradients(rotation: Rotation, contender: Contender, pair: Pair) -> Pair:
    """Of the rotation of `pair`, where `pair` is also the gradient that comes in."""
    leaves = _leaves(seen(contender, _copies(pair)))
    outputs = rotation(*leaves)
    query, key = torch.autograd.grad(outputs, leaves, seen(contender, _copies(pair)))
    return query, key


def _leaves(pair: Pair) -> Pair:
    return pair[0].detach().requires_grad_(), pair[1].detach().requires_grad_()


def _copies(pair: Pair) -> Pair:
    # `clone` keeps the order of the memory.
    return pair[0].clone(), pair[1].clone()

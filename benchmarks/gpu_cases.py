"""What is timed on a GPU: the work, who does it, the bytes it must move, and the right answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from gpu_peers import PEERS, Problem
from torch import Tensor

import phasor
from phasor.kernels._turn import Turn
from phasor.kernels.cache_reference import write_rows_reference
from phasor.kernels.norm_reference import (
    cos_sin_by,
    norm_rotate_backward_reference,
    norm_rotate_reference,
)
from phasor.kernels.reference import apply_rotation

BASE = 500_000.0


@dataclass(frozen=True)
class Shape:
    """Of query and key."""

    batch: int = 4
    heads: int = 32
    kv_heads: int = 8
    seq: int = 8192
    head_dim: int = 128
    rotary_dim: int = 128
    dtype: torch.dtype = torch.bfloat16
    storage: str = "tokens first"
    layout: str = "half"

    def __str__(self) -> str:
        part = "" if self.rotary_dim == self.head_dim else f"/{self.rotary_dim}"
        return (
            f"[{self.batch},{self.heads}+{self.kv_heads},{self.seq},{self.head_dim}{part}] "
            f"{str(self.dtype).removeprefix('torch.')} {self.layout}, {self.storage}"
        )

    def random(self, heads: int, device: str) -> Tensor:
        """`[batch, heads, seq, head_dim]` in this storage."""
        if self.storage == "heads first":
            shape = (self.batch, heads, self.seq, self.head_dim)
            return torch.randn(shape, device=device).to(self.dtype)
        shape = (self.batch, self.seq, heads, self.head_dim)
        return torch.randn(shape, device=device).to(self.dtype).transpose(1, 2)


@dataclass
class Case:
    """One piece of work; `contenders` return what `expected` is to be compared with."""

    title: str
    bytes_moved: int
    expected: Callable[[], list[Tensor]]
    contenders: dict[str, Callable[[], Callable[[], object]]]
    graph: bool = False


class _Inputs:
    """Tensors of one shape, and the ways to rotate them in float64."""

    def __init__(self, shape: Shape, device: str) -> None:
        torch.manual_seed(0)
        self.shape, self.device = shape, device
        self.frequencies = phasor.geometric(shape.rotary_dim, BASE)
        self.table = self.frequencies.turns.to(device)
        self.positions = torch.arange(shape.seq, device=device)[None, :, None]
        self.query = shape.random(shape.heads, device)
        self.key = shape.random(shape.kv_heads, device)
        self.bytes = (self.query.numel() + self.key.numel()) * self.query.element_size()
        self.turn = Turn(shape.layout == "interleaved", start=0)

    def angles(self) -> tuple[Tensor, Tensor]:
        return cos_sin_by(self.positions, self.table, gain=1.0, dtype=torch.float64)

    def pairs(self) -> list[Tensor]:
        return [self.query, self.key]

    def turned(self, tensors: list[Tensor], sign: int = 1) -> list[Tensor]:
        cos, sin = self.angles()
        return [
            apply_rotation(x.double(), cos, sign * sin, layout=self.shape.layout) for x in tensors
        ]

    def problem(self) -> Problem:
        return Problem(
            self.query.clone(), self.key.clone(), self.positions[0, :, 0],
            self.frequencies.inv_freq[0].to(self.device), self.shape.layout,
        )  # fmt: skip


def rotation(shape: Shape, device: str, *, peers: tuple[str, ...], sign: int = 1) -> Case:
    """The plain rotation; its backward is the same with `sign` -1."""
    from phasor.kernels.triton.rotation import launch

    given = _Inputs(shape, device)

    def ours(in_place: bool) -> Callable[[], object]:
        inputs = [x.clone() for x in given.pairs()]
        outs = inputs if in_place else [torch.empty_like(x) for x in inputs]

        def run() -> list[Tensor]:
            launch(*inputs, *outs, given.positions, given.table, given.turn._replace(sign=sign))
            return outs

        return run

    contenders = {"phasor in place": lambda: ours(True), "phasor": lambda: ours(False)}
    for name in peers if sign == 1 and shape.rotary_dim == shape.head_dim else ():
        contenders[name] = lambda name=name: PEERS[name](given.problem())
    still = 1 - shape.rotary_dim / shape.head_dim
    moved = int(2 * given.bytes * (1 - still)) if still else 2 * given.bytes
    name = "rotation" if sign == 1 else "rotation backward"
    return Case(f"{name} {shape}", moved, lambda: given.turned(given.pairs(), sign), contenders)


def norm(shape: Shape, device: str) -> Case:
    """RMSNorm of each head, then the rotation."""
    from phasor.kernels.triton.norm import launch

    given = _Inputs(shape, device)
    weights = [torch.rand(shape.head_dim, device=device) + 0.5 for _ in range(2)]
    options = {"eps": 1e-6, "unit_offset": False}

    def ours() -> Callable[[], object]:
        outs = [torch.empty_like(x) for x in given.pairs()]
        rstds = [torch.empty(x.shape[:3], device=device) for x in outs]

        def run() -> list[Tensor]:
            launch(
                *given.pairs(), *weights, *outs, *rstds, given.positions, given.table, given.turn,
                **options,
            )  # fmt: skip
            return outs

        return run

    def expected() -> list[Tensor]:
        return [
            norm_rotate_reference(x.double(), weight, *given.angles(), given.turn, **options)[0]
            for x, weight in zip(given.pairs(), weights, strict=True)
        ]

    return Case(f"norm + rotation {shape}", 2 * given.bytes, expected, {"phasor": ours})


def norm_backward(shape: Shape, device: str) -> Case:
    """Its backward from the rotated output: three passes over memory."""
    from phasor.kernels.triton.norm_backward import launch

    given = _Inputs(shape, device)
    weight = torch.rand(shape.head_dim, device=device) + 0.5
    cos, sin = given.angles()
    output, rstd = norm_rotate_reference(
        given.query.double(), weight, cos, sin, given.turn, eps=1e-6, unit_offset=False
    )
    saved, rstd = torch.empty_like(given.query).copy_(output), rstd.float()
    grad, result = torch.randn_like(given.query), torch.empty_like(given.query)

    def ours() -> Callable[[], object]:
        def run() -> list[Tensor]:
            total = launch(
                grad, saved, weight, rstd, result, given.positions, given.table, given.turn,
                from_output=True, unit_offset=False,
            )  # fmt: skip
            return [result, total]

        return run

    def expected() -> list[Tensor]:
        return list(
            norm_rotate_backward_reference(
                grad.double(), saved.double(), weight, rstd, cos, sin, given.turn,
                from_output=True, unit_offset=False,
            )
        )  # fmt: skip

    moved = 3 * given.query.numel() * given.query.element_size()
    return Case(f"norm + rotation backward (query) {shape}", moved, expected, {"phasor": ours})


def learned(shape: Shape, device: str) -> Case:
    """The rotation's backward with the gradient to the frequencies."""
    from phasor.kernels.triton.rotation_backward import launch

    given = _Inputs(shape, device)
    kept = [x.to(shape.dtype) for x in given.turned(given.pairs())]
    grads = [torch.randn_like(x) for x in given.pairs()]
    outs = [torch.empty_like(x) for x in grads]

    def ours() -> Callable[[], object]:
        def run() -> list[Tensor]:
            slope = launch(*grads, *kept, *outs, given.positions, given.table, given.turn)
            return [*outs, slope]

        return run

    def expected() -> list[Tensor]:
        pairs, slope = shape.rotary_dim // 2, 0.0
        for y, grad in zip(kept, grads, strict=True):
            y, grad = y[..., : 2 * pairs].double(), grad[..., : 2 * pairs].double()
            if shape.layout == "half":
                y, grad = y.unflatten(-1, (2, pairs)), grad.unflatten(-1, (2, pairs))
            else:
                y, grad = y.unflatten(-1, (pairs, 2)).mT, grad.unflatten(-1, (pairs, 2)).mT
            cross = y[..., 0, :] * grad[..., 1, :] - y[..., 1, :] * grad[..., 0, :]
            slope = slope + (cross * given.positions[:, None]).sum((0, 1, 2))
        return [*given.turned(grads, -1), slope[None]]

    moved = 3 * given.bytes
    return Case(f"backward with learned frequencies {shape}", moved, expected, {"phasor": ours})


def cache(shape: Shape, device: str, *, block_size: int, with_norm: bool, graph: bool) -> Case:
    """The rotation, after a norm or not, into a cache of blocks of `block_size`, or without."""
    from phasor.kernels.triton.cache import launch

    given = _Inputs(shape, device)
    value = shape.random(shape.kv_heads, device)
    weight = torch.rand(shape.head_dim, device=device) + 0.5 if with_norm else None
    tokens = shape.batch * shape.seq
    if block_size:
        room = (-(-tokens // block_size), block_size, shape.kv_heads, shape.head_dim)
        slots = torch.randperm(tokens, device=device).view(shape.batch, shape.seq)
    else:
        room = (shape.batch, shape.seq, shape.kv_heads, shape.head_dim)
        slots = torch.arange(shape.seq, device=device).expand(shape.batch, -1)

    def empty() -> list[Tensor]:
        rooms = [torch.zeros(room, dtype=shape.dtype, device=device) for _ in range(2)]
        return [x.transpose(1, 2) for x in rooms]

    options = {"block_size": block_size, "eps": 1e-6, "unit_offset": False}

    def ours() -> Callable[[], object]:
        caches, out = empty(), torch.empty_like(given.query)

        def run() -> list[Tensor]:
            launch(
                given.query, given.key, value, weight, weight, out, *caches, slots,
                given.positions, given.table, given.turn, **options,
            )  # fmt: skip
            return [out, *caches]

        return run

    def expected() -> list[Tensor]:
        caches = [x.double() for x in empty()]
        if weight is None:
            query, key = given.turned(given.pairs())
        else:
            query, key = (
                norm_rotate_reference(
                    x.double(), weight, *given.angles(), given.turn, eps=1e-6, unit_offset=False
                )[0]
                for x in given.pairs()
            )
        for rows, into in zip((key, value.double()), caches, strict=True):
            write_rows_reference(rows, into, slots, block_size=block_size)
        return [query, *caches]

    moved = 2 * (given.bytes + value.numel() * value.element_size())
    kind = f"cache in blocks of {block_size}" if block_size else "contiguous cache"
    name = f"{'norm + ' * with_norm}rotation into {kind}"
    return Case(f"{name} {shape}", moved, expected, {"phasor": ours}, graph)


def cases(device: str, *, peers: tuple[str, ...], shrink: bool = False) -> Iterator[Case]:
    """All of them, one at a time, so that the memory of one is free for the next."""

    def shape(**changes: object) -> Shape:
        small = {"batch": 2, "heads": 3, "kv_heads": 1, "seq": 5} if shrink else {}
        return Shape(**{**changes, **small})

    for storage in ("tokens first", "heads first"):
        for layout in ("half", "interleaved"):
            yield rotation(shape(storage=storage, layout=layout), device, peers=peers)
    yield rotation(shape(), device, peers=(), sign=-1)
    yield rotation(shape(batch=1, seq=32768), device, peers=peers)
    yield rotation(shape(batch=2, dtype=torch.float32), device, peers=peers)
    yield rotation(shape(batch=8, seq=4096, heads=16, kv_heads=16, head_dim=64, rotary_dim=64),
                   device, peers=peers)  # fmt: skip
    yield rotation(shape(head_dim=256, rotary_dim=64, heads=16, kv_heads=4), device, peers=())
    yield rotation(shape(head_dim=80, rotary_dim=80), device, peers=())
    for layout in ("half", "interleaved"):
        yield norm(shape(layout=layout), device)
        yield norm_backward(shape(layout=layout), device)
        yield learned(shape(layout=layout), device)
    for with_norm in (False, True):
        for block_size in (0, 16):
            yield cache(
                shape(), device, block_size=block_size, with_norm=with_norm, graph=False
            )  # fmt: skip
    decode = shape(batch=64, seq=1)
    plain = rotation(decode, device, peers=peers)
    plain.graph = True
    yield plain
    yield cache(decode, device, block_size=16, with_norm=True, graph=True)

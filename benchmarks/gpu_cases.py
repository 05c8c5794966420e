"""What is timed on a GPU: the work, who does it, the bytes it must move, and the right answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

import phasor
from phasor._bench import shapes
from phasor._bench.contender import Contender
from phasor._bench.entry import seen
from phasor._bench.peers import (
    flash_attn,
    flashinfer,
    liger_kernel,
    quack,
    sglang,
    transformer_engine,
    transformers_compiled,
    vllm,
)
from phasor._bench.workload import BASE, Pair, Storage, Workload
from phasor.kernels._turn import Turn
from phasor.kernels.cache_reference import write_rows_reference
from phasor.kernels.norm_reference import (
    cos_sin_by,
    norm_rotate_backward_reference,
    norm_rotate_reference,
)
from phasor.kernels.reference import apply_rotation
from phasor.rotary import Layout

PEERS: dict[str, Contender] = {
    "torch.compile": transformers_compiled.PEER,
    "Liger": liger_kernel.PEER,
    "flash-attention": flash_attn.IN_PLACE,
    "FlashInfer": flashinfer.PEER,
    "SGLang": sglang.PEER,
    "vLLM": vllm.PEER,
    "QuACK": quack.PEER,
    "TransformerEngine": transformer_engine.PEER,
}


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
    storage: Storage = "tokens first"
    layout: Layout = "half"

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
    """One piece of work; `contenders` return what `expected` is to be compared with.

    `left_out` says who is not measured, and why.
    """

    title: str
    bytes_moved: int
    expected: Callable[[], list[Tensor]]
    contenders: dict[str, Callable[[], Callable[[], object]]]
    graph: bool = False
    left_out: dict[str, str] = field(default_factory=dict)


class _Inputs:
    """Tensors of one shape, and the ways to rotate them in float64."""

    def __init__(self, shape: Shape, device: str) -> None:
        torch.manual_seed(0)
        self.shape = shape
        sizes = shapes.Shape(
            name=str(shape), batch=shape.batch, query_heads=shape.heads, key_heads=shape.kv_heads,
            seq=shape.seq, head_dim=shape.head_dim,
        )  # fmt: skip
        self.workload = Workload(
            shape=sizes, dtype=shape.dtype, device=torch.device(device), layout=shape.layout
        )
        self.table = phasor.geometric(shape.rotary_dim, BASE).turns.to(device)
        self.positions = self.workload.positions.view(-1, shape.seq, 1)
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

    def left_out(self, peer: Contender) -> str | None:
        """Why `peer` is not measured; `None` if it is."""
        if not peer.is_installed:
            return "not installed"
        if self.shape.layout not in peer.layouts:
            return f"left out: is for layout {peer.layouts[0]!r} only"
        if self.shape.storage not in peer.storages:
            return f"left out: stores {peer.storages[0]} only"
        why_not = peer.why_not(self.workload, "forward")
        return None if why_not is None else f"left out: {why_not}"

    def against(self, peer: Contender) -> Callable[[], Pair]:
        rotate = peer.prepare(self.workload)
        inputs = seen(peer, (self.query.clone(), self.key.clone()))
        return lambda: seen(peer, rotate(*inputs))


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
    left_out = {name: reason for name in peers if (reason := given.left_out(PEERS[name]))}
    for name in peers:
        if name not in left_out:
            contenders[name] = partial(given.against, PEERS[name])
    still = 1 - shape.rotary_dim / shape.head_dim
    moved = int(2 * given.bytes * (1 - still)) if still else 2 * given.bytes
    name = "rotation" if sign == 1 else "rotation backward"
    return Case(
        f"{name} {shape}", moved, lambda: given.turned(given.pairs(), sign), contenders,
        left_out=left_out,
    )  # fmt: skip


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

"""One of two processes under PyTorch's context parallelism, each with half of the tokens."""

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor.experimental import _attention, context_parallel
from torch.distributed.tensor.experimental._context_parallel import _attention as ring

import phasor
from phasor.errors import ArgumentError

SEQ, HEADS, DIM = 16, 4, 8

# What goes through: encoding, heads of the key, causal, load balanced.
THROUGH: dict[str, tuple[phasor.PositionEncoding | None, int, bool, bool]] = {
    "none": (None, HEADS, True, True),
    "rotary": (phasor.Rotary(DIM), HEADS, True, True),
    "rotary-in-order": (phasor.Rotary(DIM), HEADS, True, False),
    "rotary-both-ways": (phasor.Rotary(DIM), HEADS, False, False),
    "rotary-grouped": (phasor.Rotary(DIM), 2, True, True),
    "growing": (
        phasor.Compose(phasor.Rotary(DIM), phasor.QueryTemperature(4)),
        HEADS,
        True,
        True,
    ),
}


def tensors(kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(kv_heads)
    query = torch.randn(2, HEADS, SEQ, DIM, generator=generator)
    key, value = torch.randn(2, 2, kv_heads, SEQ, DIM, generator=generator)
    return query, key, value


def gradient_of_the_output() -> Tensor:
    return torch.randn(2, HEADS, SEQ, DIM, generator=torch.Generator().manual_seed(7))


def process(rank: int, store: str, out: str) -> None:
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    # PyTorch has the ring for the kernels of GPUs; on CPU its kernel returns the same two things.
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
    ring.custom_ops[kernel] = _ring_on_cpu
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default
    ring.custom_ops[kernel] = _ring_backward_on_cpu
    found: dict[str, Any] = {}
    for name, (encoding, kv_heads, causal, balanced) in THROUGH.items():
        ring._cp_options.enable_load_balance = balanced
        whole, positions, upstream = tensors(kv_heads), torch.arange(SEQ), gradient_of_the_output()
        buffers = [*whole, positions, upstream]
        with context_parallel(mesh, buffers=buffers, buffer_seq_dims=[2, 2, 2, 0, 2]):
            parts = [x.detach().clone().requires_grad_() for x in whole]
            part = phasor.attention(*parts, encoding, positions=positions, causal=causal)
            part.backward(upstream)
            several = [part.detach(), *(x.grad for x in parts)]
            found[name] = _attention.context_parallel_unshard(mesh, several, [2] * 4)
    with torch.no_grad():
        whole, half = tensors(HEADS), torch.arange(SEQ // 2)
        with context_parallel(mesh, buffers=[*whole], buffer_seq_dims=[2, 2, 2]):
            for name, encoding, positions in (
                ("bias", phasor.ALiBi(HEADS), half),
                ("place", phasor.Rotary(DIM), None),
            ):
                try:
                    phasor.attention(*whole, encoding, positions=positions)
                except ArgumentError as error:
                    found[name] = str(error)
    if rank == 0:
        torch.save(found, Path(out))
    dist.destroy_process_group()


def _ring_on_cpu(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[DTensor, ...]:
    mesh = args[0].device_mesh
    query, key, value = (x.to_local() for x in args[:3])
    options = dict(zip(("dropout_p", "is_causal"), args[3:], strict=False)) | kwargs
    parts = ring._templated_ring_attention(
        mesh.get_group(), 2, op, query=query, key=key, value=value, **options
    )
    return tuple(DTensor.from_local(x, mesh, [Shard(2)], run_check=False) for x in parts[:2])


def _ring_backward_on_cpu(
    op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[DTensor, ...]:
    mesh = args[0].device_mesh
    upstream, query, key, value, out, logsumexp = (x.to_local() for x in args[:6])
    names = ("dropout_p", "is_causal", "attn_mask")
    options = dict(zip(names, args[6:], strict=False)) | kwargs

    parts = ring._templated_ring_attention_backward(
        mesh.get_group(), 2, op, grad_out=upstream, grad_out_name="grad_out", query=query,
        key=key, value=value, out=out, logsumexp=logsumexp, **options,
    )  # fmt: skip
    return tuple(DTensor.from_local(x, mesh, [Shard(2)], run_check=False) for x in parts)

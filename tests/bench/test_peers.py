"""Peers whose libraries need a GPU, by fakes of these: what they are told must be right."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest
import torch
from torch import Tensor

from phasor._bench.contender import Contender
from phasor._bench.entry import Entry, Memory, enter
from phasor._bench.peers import PEERS
from phasor._bench.shapes import Shape
from phasor._bench.workload import Workload
from phasor.kernels.reference import apply_rotation

BY_NAME = {peer.name: peer for peer in PEERS}


def turned(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    """`x [batch, seq, heads, head_dim]`, tables `[batch or 1, seq, pairs]`."""
    layout = "interleaved" if interleaved else "half"
    return apply_rotation(
        x, cos[:, :, None].to(x.dtype), sin[:, :, None].to(x.dtype), layout=layout
    )


def by_rows(
    positions: Tensor, query: Tensor, key: Tensor, head_dim: int, cache: Tensor, is_half: bool
) -> None:
    cos, sin = cache[positions].chunk(2, dim=-1)
    for x in (query, key):
        heads = x.view(1, len(positions), -1, head_dim)
        heads.copy_(turned(heads, cos[None], sin[None], not is_half))


def by_tables(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    *,
    interleaved: bool,
    inplace: bool,
    seqlen_offsets: Tensor | None = None,
) -> Tensor:
    rows = torch.arange(x.shape[1])[None]
    rows = rows if seqlen_offsets is None else rows + seqlen_offsets[:, None]
    result = turned(x, cos[rows], sin[rows], interleaved)
    return x.copy_(result) if inplace else result


def by_angles(
    x: Tensor,
    angles: Tensor,
    *,
    tensor_format: str,
    interleaved: bool,
    fused: bool,
    start_positions: Tensor | None = None,
) -> Tensor:
    assert (tensor_format, fused, angles.dtype) == ("bshd", True, torch.float32)
    both = angles[:, 0, 0]
    one = both[:, ::2] if interleaved else both[:, : both.shape[1] // 2]
    offsets = {"inplace": False, "seqlen_offsets": start_positions}
    return by_tables(x, one.cos(), one.sin(), interleaved=interleaved, **offsets)


LIBRARIES: dict[str, tuple[str, str, Callable[..., object]]] = {
    "flash-attn": ("flash_attn.layers.rotary", "apply_rotary_emb", by_tables),
    "flash-attn-in-place": ("flash_attn.layers.rotary", "apply_rotary_emb", by_tables),
    "quack": ("quack.rotary", "apply_rotary_emb", by_tables),
    "transformer-engine": (
        "transformer_engine.pytorch.attention.rope", "apply_rotary_pos_emb", by_angles,
    ),
    "flashinfer": ("flashinfer", "apply_rope_with_cos_sin_cache_inplace", by_rows),
    "sglang": ("sgl_kernel", "apply_rope_with_cos_sin_cache_inplace", by_rows),
    "vllm": ("vllm._custom_ops", "rotary_embedding", by_rows),
}  # fmt: skip


@pytest.fixture(params=LIBRARIES)
def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Contender:
    """One that runs here, as its library is a fake."""
    path, function, fake = LIBRARIES[request.param]
    names = path.split(".")
    for count in range(1, len(names) + 1):
        monkeypatch.setitem(sys.modules, ".".join(names[:count]), ModuleType(names[count - 1]))
    monkeypatch.setattr(sys.modules[path], function, fake, raising=False)
    return replace(BY_NAME[request.param], devices=("cpu",), dtypes=(torch.float32,))


@pytest.mark.parametrize("decodes", [False, True])
def test_each_is_told_what_it_needs(
    peer: Contender, workload: Workload, decoding: Shape, decodes: bool
) -> None:
    shape = replace(decoding if decodes else workload.shape, batch=3, head_dim=64)
    workload = replace(workload, shape=shape)
    memory = Memory.of(workload)
    kept = memory.source[0].clone()
    found = enter(peer, workload, "forward", memory)
    assert isinstance(found, Entry)
    found.work.call(None)
    assert torch.equal(memory.source[0], kept)
    assert torch.equal(memory.scratch[0], kept) == (not peer.mutates)


def test_who_overwrites_or_wants_rows_says_so() -> None:
    rows = {"flashinfer", "sglang", "vllm"}
    assert {peer.name for peer in PEERS if "heads first" not in peer.storages} == rows
    assert {peer.name for peer in PEERS if peer.mutates} == rows | {
        "flash-attn-in-place", "liger-kernel"
    }  # fmt: skip
    assert all(BY_NAME[name].directions == ("forward",) for name in rows)


def test_head_dims_that_have_no_kernel(workload: Workload) -> None:
    odd = replace(workload.shape, head_dim=12)
    gpu = replace(workload, shape=odd, dtype=torch.bfloat16, device=torch.device("cuda"))
    assert BY_NAME["sglang"].why_not(gpu, "forward") == "takes head_dim 64, 128, 256, 512"
    assert BY_NAME["quack"].why_not(gpu, "forward") == "takes head_dim up to 512, a multiple of 8"
    assert BY_NAME["vllm"].why_not(gpu, "forward") is None

"""Rotations to draw from: the whole product of what `phasor.rotate` takes."""

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

import phasor

NEAR, FAR, FURTHER = 10_000, 2**31 - 1, 2**40
ROUNDING = {torch.float64: 2e-15, torch.float32: 6e-7, torch.bfloat16: 4e-3, torch.float16: 5e-4}
"""Largest error of a turned pair, in units of its length: one rounding and that of the angle."""


@dataclass
class Case:
    """One call of `phasor.rotate`."""

    query: Tensor
    key: Tensor | None
    positions: Tensor
    frequencies: phasor.Frequencies
    options: dict[str, Any]


def stored(shape: tuple[int, ...], storage: str, dtype: torch.dtype) -> Tensor:
    """`[batch, heads, seq, head_dim]` in memory of another order, NaN wherever it is not."""
    batch, heads, seq, head_dim = shape
    values = torch.randn(shape, dtype=torch.float64).to(dtype)
    if storage == "batch, heads, seq":
        return values
    if storage == "batch, seq, heads":
        return values.transpose(1, 2).contiguous().transpose(1, 2)
    if storage == "seq, batch, heads":
        return values.permute(2, 0, 1, 3).contiguous().permute(1, 2, 0, 3)
    if storage == "part of a projection":
        whole = torch.full((batch, seq, heads + 3, head_dim + 5), float("nan"), dtype=dtype)
        part = whole[:, :, 1 : heads + 1, 2 : head_dim + 2].transpose(1, 2)
    else:
        assert storage == "every other channel"
        whole = torch.full((batch, heads, seq, 2 * head_dim), float("nan"), dtype=dtype)
        part = whole[..., ::2]
    return part.copy_(values)


STORAGES = [
    "batch, heads, seq", "batch, seq, heads", "seq, batch, heads", "part of a projection",
    "every other channel",
]  # fmt: skip


@st.composite
def frequencies(draw: st.DrawFn, pairs: int) -> phasor.Frequencies:
    """Of 1 to 4 axes, some pairs standing still, with a gain or without."""
    axes = draw(st.integers(1, 4))
    base = draw(st.sampled_from([100.0, 10_000.0, 500_000.0]))
    inv_freq = phasor.geometric(2 * pairs, base).inv_freq.repeat(axes, 1)
    kind = draw(st.sampled_from(["one axis each", "mixed", "proportional"]))
    if kind == "one axis each":
        inv_freq = inv_freq * (torch.arange(pairs) % axes == torch.arange(axes)[:, None])
    elif kind == "proportional":
        inv_freq[:, pairs // 2 :] = 0.0
    return phasor.Frequencies(inv_freq, attention_scale=draw(st.sampled_from([1.0, 1.25])))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    pairs = draw(st.sampled_from([1, 3, 4, 8, 16, 17, 32, 33, 64, 130]))
    still = draw(st.sampled_from([0, 0, 1, 6, 64]))
    turning = draw(frequencies(pairs))
    batch, seq = draw(st.sampled_from([0, 1, 2, 3])), draw(st.sampled_from([0, 1, 2, 5, 17]))
    group, kv_heads = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2]))
    dtype = draw(st.sampled_from(list(ROUNDING)))
    torch.manual_seed(draw(st.integers(0, 1000)))
    heads = {"query": group * kv_heads, "key": kv_heads}
    tensors = {
        name: stored((batch, count, seq, 2 * pairs + still), draw(st.sampled_from(STORAGES)), dtype)
        for name, count in heads.items()
    }
    end = draw(st.sampled_from([NEAR, FAR, FURTHER]))
    kind = draw(
        st.sampled_from([torch.int64, torch.int32, torch.int16, torch.float64, torch.float32])
    )
    if kind != torch.int64:
        end = min(end, {torch.int32: FAR, torch.int16: 2**15 - 1}.get(kind, NEAR))
    shape = (seq,) if draw(st.booleans()) else (draw(st.sampled_from([1, batch])), seq)
    positions = torch.randint(-end, end, (*shape, turning.axes))
    positions = positions.to(kind) + (0.25 if kind.is_floating_point else 0)
    if turning.axes == 1:
        positions = positions[..., 0]
    options = {
        "layout": draw(st.sampled_from(["half", "interleaved"])),
        "rotary_slice": draw(st.sampled_from(["leading", "trailing"])),
        "inverse": draw(st.booleans()),
        "precision": draw(st.sampled_from(["exact", "exact", "float32"])),
        "inplace": draw(st.booleans()),
    }
    key = tensors["key"] if draw(st.booleans()) else None
    return Case(tensors["query"], key, positions, turning, options)


def expected(case: Case, x: Tensor) -> Tensor:
    """In float64, by complex numbers: each pair is one, and is multiplied by another."""
    options, turning = case.options, case.frequencies
    cos, sin = phasor.cos_sin(
        case.positions, turning, precision=options["precision"], dtype=torch.float64
    )
    phase = torch.complex(cos, sin)
    if options["inverse"]:
        phase = phase.reciprocal()
    if phase.ndim == 3:
        phase = phase.unsqueeze(1)
    rotary_dim = turning.rotary_dim
    start = 0 if options["rotary_slice"] == "leading" else x.shape[-1] - rotary_dim
    out = x.to(torch.float64, copy=True, memory_format=torch.contiguous_format)
    part = out[..., start : start + rotary_dim]
    if options["layout"] == "half":
        first, second = part[..., : turning.pairs], part[..., turning.pairs :]
    else:
        first, second = part[..., 0::2], part[..., 1::2]
    turned = torch.complex(first.contiguous(), second.contiguous()) * phase
    first.copy_(turned.real)
    second.copy_(turned.imag)
    return out

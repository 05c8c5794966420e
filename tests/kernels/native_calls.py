"""Random calls of the native entries, each from a seed."""

import random
from dataclasses import dataclass

import torch
from kernels.cases import STORAGES, stored
from torch import Tensor

import phasor

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
POSITIONS = [torch.int64, torch.int32, torch.int16, torch.float64, torch.float32]
ROUNDINGS = {"once": 3, "wide": 4, "each": 5}
MEMORY = [*STORAGES, "one head for all", "sliding", "across", "one behind another"]


def held(draw: random.Random, shape: tuple[int, ...], dtype: torch.dtype, inplace: bool) -> Tensor:
    """Activations in memory of some order, at some offset."""
    storage = draw.choice(MEMORY if not inplace else [*STORAGES, "across", "one behind another"])
    _batch, _heads, _seq, _head_dim = shape
    if storage in STORAGES:
        return stored(shape, storage, dtype)
    values = torch.randn(shape).to(dtype)
    if storage == "one head for all":
        return values[:, :1].expand(shape)
    if storage == "sliding":
        steps = draw.choice([(0, 7, 1, 1), (3, 0, 2, 1), (1, 1, 1, 1), (0, 0, 0, 1), (5, 1, 1, 3)])
        count = 1 + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
        if values.numel() == 0:
            return values
        return torch.randn(count).to(dtype).as_strided(shape, steps)
    if values.numel() == 0:
        return values
    offset = draw.randint(1, 7) if storage == "across" else dtype.itemsize * draw.randint(1, 7)
    memory = bytearray(values.numel() * dtype.itemsize + offset)
    return torch.frombuffer(memory, dtype=dtype, offset=offset).view(shape).copy_(values)


@dataclass
class Call:
    """Arguments of one call; every entry takes some of them."""

    query: Tensor
    key: Tensor | None
    positions: Tensor  # [1 or batch, seq, axes]
    frequencies: Tensor  # [axes, pairs], radians
    exact: phasor.Frequencies
    cos: Tensor
    sin: Tensor
    interleaved: bool
    start: int
    sign: int
    rounding: str
    order: int
    inplace: bool


def drawn(draw: random.Random) -> Call:
    large = draw.random() < 0.004  # divided among threads, written past the caches
    axes, pairs = (
        draw.choice([1, 1, 1, 2, 3]),
        draw.choice([1, 2, 3, 4, 7, 8, 16, 17, 32, 33, 64, 130]),
    )
    batch, seq = draw.choice([0, 1, 1, 2, 3]), draw.choice([0, 1, 1, 2, 5, 17, 70])
    if large:
        batch, seq, pairs = 2, draw.choice([600, 1000]), draw.choice([32, 64])
    heads, kv_heads = draw.choice([(1, 1), (2, 1), (3, 1), (4, 2), (6, 6), (9, 5)])
    if large:
        heads, kv_heads = 16, 8
    head_dim = 2 * pairs + draw.choice([0, 0, 0, 1, 6, 64])
    dtype, inplace = draw.choice(DTYPES), draw.random() < 0.4
    where = draw.choice(POSITIONS)
    positions = torch.randint(-3000, 3000, (draw.choice([1, batch]), seq, axes)).to(where)
    if draw.random() < 0.3:
        positions = positions.repeat_interleave(2, 1)[:, ::2]
    inv_freq = phasor.geometric(2 * pairs).inv_freq.repeat(axes, 1)
    table_dtype = draw.choice(DTYPES)
    table = torch.randn(2, draw.choice([1, batch]), seq, 2 * pairs).to(table_dtype)
    column = draw.choice([slice(0, pairs), slice(pairs, None), slice(0, None, 2)])
    cos, sin = table[0, ..., column], table[1, ..., column]
    if draw.random() < 0.2:
        sin = sin.contiguous()
    return Call(
        query=held(draw, (batch, heads, seq, head_dim), dtype, inplace),
        key=held(draw, (batch, kv_heads, seq, head_dim), dtype, inplace)
        if draw.random() < 0.7
        else None,
        positions=positions,
        frequencies=inv_freq,
        exact=phasor.Frequencies(inv_freq),
        cos=cos,
        sin=sin,
        interleaved=draw.random() < 0.5,
        start=draw.choice([0, 0, head_dim - 2 * pairs, draw.randint(0, head_dim - 2 * pairs)]),
        sign=draw.choice([1, -1]),
        rounding=draw.choice(list(ROUNDINGS)),
        order=draw.choice([0, 1, 2]),
        inplace=inplace,
    )

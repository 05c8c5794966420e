"""FlashAttention's Triton rotary, once for the query and once for the key."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module

import torch
from torch import Tensor

from phasor._bench.contender import UP_TO_FLOAT32, Contender, Rotation
from phasor._bench.peers.tables import angle_table
from phasor._bench.workload import Pair, Workload


def rotation_by_tables(
    workload: Workload, apply: Callable[..., Tensor], dtype: torch.dtype, *, inplace: bool = False
) -> Rotation:
    """The rotation by `apply(x, cos, sin, ...)`, FlashAttention's signature.

    Args:
        workload: What to rotate.
        apply: Of the library.
        dtype: Of its cos and sin.
        inplace: Whether it overwrites its argument.
    """
    table = angle_table(workload)
    cos, sin = table.cos().to(dtype), table.sin().to(dtype)
    offsets = {"seqlen_offsets": workload.positions[:, 0].int()} if workload.decodes else {}
    how = {"interleaved": workload.layout == "interleaved", "inplace": inplace, **offsets}

    def rotation(query: Tensor, key: Tensor) -> Pair:
        return apply(query, cos, sin, **how), apply(key, cos, sin, **how)

    return rotation


def _prepare(workload: Workload, *, inplace: bool) -> Rotation:
    apply = import_module("flash_attn.layers.rotary").apply_rotary_emb
    return rotation_by_tables(workload, apply, workload.dtype, inplace=inplace)


PEER = Contender(
    name="flash-attn",
    call="flash_attn.layers.rotary.apply_rotary_emb(x, cos, sin), of q and of k",
    excluded="tables of cos and sin",
    prepare=partial(_prepare, inplace=False),
    seq_first=True,
    devices=("cuda",),
    dtypes=UP_TO_FLOAT32,
    module="flash_attn",
    package="flash-attn",
    install="pip install flash-attn --no-build-isolation",
)

IN_PLACE = replace(
    PEER,
    name="flash-attn-in-place",
    call="flash_attn.layers.rotary.apply_rotary_emb(x, cos, sin, inplace=True), of q and of k",
    prepare=partial(_prepare, inplace=True),
    mutates=True,
    # Its backward overwrites the gradients that come in.
    directions=("forward",),
)

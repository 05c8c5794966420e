"""The signature that FlashInfer, SGLang and vLLM share: a row for each token, in place."""

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor

from phasor._bench.contender import HALVES, Contender, Rotation
from phasor._bench.peers.tables import angle_table
from phasor._bench.workload import Pair, Workload

# Those that FlashInfer's kernel, which is SGLang's too, is compiled for.
_HEAD_DIMS = (64, 128, 256, 512)


def row_contender(
    name: str,
    *,
    function: str,
    package: str,
    dtypes: tuple[torch.dtype, ...] = HALVES,
    table_dtype: torch.dtype | None = torch.float32,
    limit: Callable[[Workload], str | None] = lambda workload: None,
) -> Contender:
    """A library whose kernel is `function(positions, query, key, head_dim, table, is_half)`.

    Args:
        name: Of the peer.
        function: With the module that it is imported from.
        package: Its distribution.
        dtypes: What it takes.
        table_dtype: In which it wants its cos and sin; `None` for that of the activations.
        limit: As in `Contender`.
    """
    module, _, called = function.rpartition(".")

    def prepare(workload: Workload) -> Rotation:
        apply = getattr(import_module(module), called)
        return _rotation(workload, apply, table_dtype or workload.dtype)

    return Contender(
        name=name,
        call=f"{function}(positions, q, k, ...)",
        excluded="its table of cos and sin",
        prepare=prepare,
        seq_first=True,
        storages=("tokens first",),
        mutates=True,
        devices=("cuda",),
        dtypes=dtypes,
        directions=("forward",),
        limit=limit,
        module=module.partition(".")[0],
        package=package,
        install=f"pip install {package}",
    )


def unknown_head_dim(workload: Workload) -> str | None:
    """Why FlashInfer's kernel cannot take this head_dim; `None` if it can."""
    if workload.shape.head_dim not in _HEAD_DIMS:
        return f"takes head_dim {', '.join(map(str, _HEAD_DIMS))}"
    return None


def _rotation(
    workload: Workload, apply: Callable[..., object], table_dtype: torch.dtype
) -> Rotation:
    table = angle_table(workload)
    cache = torch.cat((table.cos(), table.sin()), dim=-1).to(table_dtype)
    shape = workload.shape
    positions = workload.positions
    if not workload.decodes:
        positions = positions.repeat(shape.batch)
    positions = positions.flatten()
    neox = workload.layout == "half"

    def rotation(query: Tensor, key: Tensor) -> Pair:
        # One row for each token: views of the same memory.
        apply(positions, query.view(len(positions), -1), key.view(len(positions), -1),
              shape.head_dim, cache, neox)  # fmt: skip
        return query, key

    return rotation

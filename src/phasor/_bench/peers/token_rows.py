"""The signature that FlashInfer, SGLang and vLLM share: a row for each token, in place."""

from collections.abc import Callable

import torch
from torch import Tensor

from phasor._bench.contender import Rotation
from phasor._bench.peers.tables import angle_table
from phasor._bench.workload import Pair, Workload

# Those that FlashInfer's kernel, which is SGLang's too, is compiled for.
_HEAD_DIMS = (64, 128, 256, 512)


def rotation_of_rows(
    workload: Workload, apply: Callable[..., object], table_dtype: torch.dtype
) -> Rotation:
    """The rotation by `apply(positions, query, key, head_dim, table, is_half)`.

    Args:
        workload: What to rotate.
        apply: Of the library.
        table_dtype: In which it wants its cos and sin.
    """
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


def unknown_head_dim(workload: Workload) -> str | None:
    """Why FlashInfer's kernel cannot take this head_dim; `None` if it can."""
    if workload.shape.head_dim not in _HEAD_DIMS:
        return f"takes head_dim {', '.join(map(str, _HEAD_DIMS))}"
    return None

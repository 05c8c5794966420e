"""GGUF files with chosen metadata, written by the gguf package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

_KINDS = {
    bool: gguf.GGUFValueType.BOOL,
    int: gguf.GGUFValueType.UINT32,
    float: gguf.GGUFValueType.FLOAT32,
    str: gguf.GGUFValueType.STRING,
    list: gguf.GGUFValueType.ARRAY,
}


def write_metadata(
    path: Path,
    model: str,
    values: Mapping[str, Any],
    tensors: Mapping[str, Sequence[float]] | None = None,
) -> Path:
    """A file of one architecture.

    Args:
        path: Where to.
        model: The architecture, with which the names of `values` begin here too.
        values: Metadata.
        tensors: Numbers of tensors in float32.
    """
    writer = gguf.GGUFWriter(path, model)
    for name, value in values.items():
        kind = _KINDS[type(value)]
        writer.add_key_value(
            name, value, kind, sub_type=_KINDS[type(value[0])] if isinstance(value, list) else None
        )
    writer.add_tensor("token_embd.weight", np.zeros((1, 1), dtype=np.float32))
    for name, numbers in (tensors or {}).items():
        writer.add_tensor(name, np.array(numbers, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def small(model: str, layers: int = 4, **changed: Any) -> dict[str, Any]:
    """What every file has: four heads of 64 channels; names are joined by `__` for the dot."""
    usual: dict[str, Any] = {
        "block_count": layers,
        "context_length": 8192,
        "embedding_length": 256,
        "attention__head_count": 4,
        "rope__freq_base": 10_000.0,
    }
    both = {**usual, **changed}
    return {f"{model}.{name.replace('__', '.')}": value for name, value in both.items()}

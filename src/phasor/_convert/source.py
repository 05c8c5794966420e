"""A checkpoint as it lies on the disk: its files, its tensors and its configuration."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from phasor._convert.agreement import check_agreement
from phasor._convert.heads import (
    Heads,
    heads_of_config,
    heads_of_params,
    layout_of,
    marked,
)
from phasor._convert.json_file import read_object
from phasor._convert.tensor_file import Entry, read_entries
from phasor._read.own_files import own_file
from phasor.errors import ArgumentError

Format = Literal["hf", "meta", "adapter"]
CONFIG: dict[Format, str] = {
    "hf": "config.json",
    "meta": "params.json",
    "adapter": "adapter_config.json",
}
INDEX = ".safetensors.index.json"
# Other weights beside the ones that are converted would stay in the old layout.
WEIGHTS = {".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".pt", ".pth", ".safetensors"}


@dataclass(frozen=True)
class Shard:
    """One file of weights."""

    name: str
    entries: tuple[Entry, ...]
    metadata: dict[str, str]


@dataclass(frozen=True)
class Source:
    """A checkpoint that was read, but for its weights.

    Args:
        folder: Where it is.
        format: `"hf"` (transformers), `"meta"`, or `"adapter"` (PEFT).
        config: Its own configuration.
        heads: How it turns; for an adapter, what the configuration of its base says.
        shards: Its files.
    """

    folder: Path
    format: Format
    config: dict[str, Any]
    heads: Heads
    shards: tuple[Shard, ...]

    @property
    def entries(self) -> list[Entry]:
        return [entry for shard in self.shards for entry in shard.entries]

    @property
    def num_bytes(self) -> int:
        return sum(entry.size for entry in self.entries)


def read_source(folder: Path, *, base: Path | None = None, guess_family: bool = False) -> Source:
    """Read the headers and the configuration of a checkpoint.

    Args:
        folder: Of the checkpoint.
        base: For an adapter, the folder of the model that it belongs to.
        guess_family: Take an unknown architecture for a LLaMA.
    """
    if folder.is_file():
        raise ArgumentError(f"{folder} is a file; name its folder, which has the configuration too")
    if not folder.is_dir():
        raise ArgumentError(f"there is no folder {folder}")
    found: list[Format] = [name for name, file in CONFIG.items() if os.path.lexists(folder / file)]
    if not found:
        raise ArgumentError(
            f"there is no {', '.join(CONFIG.values())} in {folder}; one of them must say how many "
            "heads there are"
        )
    shards = tuple(_shards(folder))
    if not shards:
        raise ArgumentError(
            f"there are no .safetensors files in {folder}; phasor does not read pickles, so save "
            "the weights as safetensors first"
        )
    # A folder of adapters may have a copy of its base's configuration.
    style: Format = "adapter" if "adapter" in found else found[0]
    where = folder / CONFIG[style]
    own_file(folder, CONFIG[style])
    config = read_object(where)
    if style == "meta":
        heads = heads_of_params(config, where)
        check_agreement(heads, config, where)
    elif style == "hf" and guess_family:
        heads = heads_of_config(config, where, guess_family=True)
    elif style == "hf":
        heads = _heads_of_model(config, where)
    else:
        heads = _heads_of_adapter(config, where, base)
    return Source(folder, style, config, heads, shards)


def _heads_of_model(config: dict[str, Any], where: Path) -> Heads:
    heads = heads_of_config(config, where)
    check_agreement(heads, marked(config, heads.family.layout), where)
    return heads


def _heads_of_adapter(config: dict[str, Any], where: Path, base: Path | None) -> Heads:
    if config.get("peft_type") != "LORA":
        raise ArgumentError(
            f"peft_type in {where} must be 'LORA', got {config.get('peft_type')!r}; phasor knows "
            "the rows of no other adapter"
        )
    if base is None:
        raise ArgumentError(
            f"{where.parent} is an adapter, which does not say how many heads its model has; pass "
            "the model's folder with base="
        )
    if os.path.lexists(base / CONFIG["hf"]):
        own_file(base, CONFIG["hf"])
    heads = _heads_of_model(read_object(base / CONFIG["hf"]), base / CONFIG["hf"])
    # A converted adapter is in its own layout, not in that of its base.
    return replace(heads, layout=layout_of(config, where, heads.family))


def _shards(folder: Path) -> list[Shard]:
    """The files that the index names, or the only one that there is."""
    indices = sorted(folder.glob(f"*{INDEX}"))
    if len(indices) > 1:
        raise ArgumentError(
            f"{folder} has several indices, {', '.join(path.name for path in indices)}; leave one"
        )
    if not indices:
        files = sorted(folder.glob("*.safetensors"))
        if len(files) > 1:
            raise ArgumentError(
                f"{folder} has {len(files)} .safetensors files and no index; leave one of them, or "
                f"add model{INDEX}"
            )
        return [_shard(path) for path in files]
    own_file(folder, indices[0].name)
    where = read_object(indices[0]).get("weight_map")
    if not isinstance(where, dict) or not all(isinstance(name, str) for name in where.values()):
        raise ArgumentError(f"{indices[0]} must have a weight_map from tensors to files")
    if any(Path(name).name != name for name in where.values()):
        raise ArgumentError(f"{indices[0]} names a file outside its folder")
    shards = [_shard(folder / name) for name in sorted(set(where.values()))]
    found = {entry.name: shard.name for shard in shards for entry in shard.entries}
    if found != where:
        different = sorted(set(found.items()) ^ set(where.items()))[0][0]
        raise ArgumentError(
            f"{indices[0]} and the files disagree on {different}; fetch the checkpoint again"
        )
    return shards


def _shard(path: Path) -> Shard:
    if os.path.lexists(path):
        own_file(path.parent, path.name)
    entries, metadata = read_entries(path)
    return Shard(path.name, tuple(entries), metadata)

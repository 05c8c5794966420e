"""Rewriting a checkpoint: what goes where, and the folder that it becomes."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from phasor._convert.families import META, PairLayout
from phasor._convert.heads import MARK, marked
from phasor._convert.json_file import write_object
from phasor._convert.meta import (
    EMBEDDING,
    HEAD,
    config_of_params,
    other_name,
    params_of_config,
)
from phasor._convert.source import CONFIG, INDEX, WEIGHTS, Format, Shard, Source
from phasor._convert.tensor_file import Entry, Output, write_tensors
from phasor._convert.turning import Change, Turning, turning_of
from phasor._kit.whole_folder import whole_folder
from phasor._read.own_files import own_file
from phasor.errors import ArgumentError


@dataclass(frozen=True)
class Plan:
    """What will be written, decided before anything is.

    Args:
        source: The checkpoint.
        format: Of the new one.
        layout: Of the new one.
        config: Of the new one.
        files: Its files and their tensors.
        turnings: The tensors that change, by their name in the source.
        change: What happens to those.
        left_out: Files of the source that are not taken along.
    """

    source: Source
    format: Format
    layout: PairLayout
    config: dict[str, Any]
    files: dict[str, list[Output]]
    turnings: dict[str, Turning]
    change: Change
    left_out: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        return sum(output.entry.size for outputs in self.files.values() for output in outputs)


def plan(
    source: Source, *, layout: PairLayout | None = None, to: Literal["hf", "meta"] | None = None
) -> Plan:
    """Decide what becomes of each tensor and of the configuration.

    Args:
        source: The checkpoint.
        layout: Layout wanted, with the names as they are.
        to: Or format wanted, with the layout of its code.

    Raises:
        ArgumentError: Nothing to do, or a tensor or a setting that phasor does not understand.
    """
    if (layout is None) == (to is None):
        raise ArgumentError("pass either a layout or a format to convert to")
    target: PairLayout = layout or ("half" if to == "hf" else META.layout)
    style = to or source.format
    if to is not None and style == source.format:
        raise ArgumentError(f"{source.folder} is in the {style} format already")
    if source.format == "adapter" and to is not None:
        raise ArgumentError("format= is for whole models; use layout= for an adapter")
    if source.format == "meta" and to is None:
        raise ArgumentError(
            "params.json has no place for a layout; use format='hf' for the half layout"
        )
    if to is None and target == source.heads.layout:
        raise ArgumentError(f"{source.folder} is in the {target} layout already")
    turnings = {
        entry.name: turning
        for entry in source.entries
        if (turning := turning_of(entry, source.heads)) is not None
    }
    if not turnings:
        raise ArgumentError(f"no tensor in {source.folder} has channels that turn")
    has_norms = any(turning.part == "norm" for turning in turnings.values())
    change = Change(source.heads, target, source.heads.family.layer_norm and has_norms)
    if source.format == "adapter" and change.reverses and source.heads.family.layer_norm:
        raise ArgumentError(
            "an adapter does not say whether its model has norms of query and key, to which the "
            f"reversal of {target} would belong; merge it into the model and convert that"
        )
    config = _config(source, target, to)
    names = _names(source, to)
    files = {
        _file(shard.name, number, len(source.shards), to): _outputs(shard, names, turnings, change)
        for number, shard in enumerate(source.shards)
    }
    return Plan(
        source=source,
        format=style,
        layout=target,
        config=config,
        files=files,
        turnings=turnings,
        change=change,
        left_out=tuple(_left_out(source)),
    )


def _names(source: Source, to: str | None) -> dict[str, list[str]]:
    """The new names of each tensor: none, one, or two for an embedding that is the head too."""
    if to is None:
        return {entry.name: [entry.name] for entry in source.entries}
    names = {}
    for entry in source.entries:
        name = other_name(entry.name, to=to)
        names[entry.name] = [name] if name is not None else []
    if to == "meta" and HEAD not in names:
        if not source.config.get("tie_word_embeddings") or EMBEDDING not in names:
            raise ArgumentError(
                f"{source.folder} has no {HEAD}, and does not say tie_word_embeddings"
            )
        names[EMBEDDING].append("output.weight")
    return names


def _outputs(
    shard: Shard, names: dict[str, list[str]], turnings: dict[str, Turning], change: Change
) -> list[Output]:
    def pieces(entry: Entry) -> Callable[..., Any]:
        turning = turnings.get(entry.name)
        return entry.pieces if turning is None else partial(change.converted, turning)

    return [
        Output(name, entry, pieces(entry)) for entry in shard.entries for name in names[entry.name]
    ]


def _file(name: str, number: int, count: int, to: str | None) -> str:
    if to is None:
        return name
    stem = "model" if to == "hf" else "consolidated"
    of = f"-{number + 1:05}-of-{count:05}" if count > 1 else ""
    return f"{stem}{of}.safetensors"


def _config(source: Source, target: PairLayout, to: str | None) -> dict[str, Any]:
    if to == "hf":
        return config_of_params(source)
    if to == "meta":
        return params_of_config(source)
    if source.format == "hf":
        return marked(source.config, target)
    plain = {key: value for key, value in source.config.items() if key != MARK}
    return plain if target == source.heads.family.layout else {**plain, MARK: {"layout": target}}


def _kept(source: Source, path: Path) -> bool:
    """Whether a file may be copied as it is: the folder's own, neither weights nor about them."""
    rewritten = path.name in CONFIG.values() or path.name.endswith(".index.json")
    if rewritten or path.suffix.lower() in WEIGHTS:
        return False
    try:
        own_file(source.folder, path.name)
    except ArgumentError:
        return False
    return True


def _left_out(source: Source) -> list[str]:
    taken = {CONFIG[source.format], *(shard.name for shard in source.shards)}
    return [
        path.name
        for path in sorted(source.folder.iterdir())
        if not _kept(source, path) and path.name not in taken and not path.name.endswith(INDEX)
    ]


def write(
    plan: Plan,
    target: Path,
    *,
    advance: Callable[[int], None] = lambda _: None,
    verify: Callable[[Path], None] = lambda _: None,
) -> None:
    """Write the new checkpoint; `target` appears when it is whole, and never otherwise.

    Args:
        plan: What to write.
        target: The folder that it becomes.
        advance: Told how many bytes were written.
        verify: Called with the finished folder before it gets its name; raises to refuse it.
    """
    source = plan.source
    if source.folder.resolve() in (target.parent.resolve(), *target.parent.resolve().parents):
        raise ArgumentError(f"{target} is inside {source.folder}, which is not to be touched")
    others = [path for path in sorted(source.folder.iterdir()) if _kept(source, path)]
    num_bytes = plan.num_bytes + sum(path.stat().st_size for path in others)
    with whole_folder(target, num_bytes=num_bytes) as folder:
        metadata = {shard.name: shard.metadata for shard in source.shards}
        for name, outputs in plan.files.items():
            write_tensors(folder / name, outputs, metadata.get(name, {"format": "pt"}), advance)
        if len(plan.files) > 1:
            _write_index(plan, folder)
        write_object(folder / CONFIG[plan.format], plan.config)
        for path in others:
            shutil.copyfile(path, folder / path.name)
        verify(folder)


def _write_index(plan: Plan, folder: Path) -> None:
    stem = {"hf": "model", "meta": "consolidated", "adapter": "adapter_model"}[plan.format]
    weight_map = {output.name: name for name, outputs in plan.files.items() for output in outputs}
    write_object(
        folder / f"{stem}{INDEX}",
        {
            "metadata": {"total_size": plan.num_bytes},
            "weight_map": dict(sorted(weight_map.items())),
        },
    )

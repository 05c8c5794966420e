"""From a path to a spec, with what its file says besides."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasor._read import examine
from phasor._read.limits import read_json
from phasor._read.own_files import own_file
from phasor._read.quiet import quiet_libraries
from phasor.errors import ArgumentError
from phasor.spec import PositionSpec

_SPEC_KEY = "phasor_spec"


@dataclass(frozen=True)
class Opened:
    """What was found at a path.

    Args:
        spec: Of the model.
        config: The config it was read from, where it was one.
        notes: What the reader had to say.
    """

    spec: PositionSpec
    config: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


def open_source(source: Any) -> Opened:
    """Read a model's folder, a config or a spec's own JSON; or whatever `phasor.read` takes.

    Raises:
        ArgumentError: Nothing there, or nothing that is understood.
    """
    if isinstance(source, PositionSpec):
        return Opened(source)
    if not isinstance(source, str | Path):
        reading = examine(source)
        config = source if isinstance(source, Mapping) else None
        return Opened(reading.spec, config, reading.notes)
    path = Path(source)
    if not path.exists():
        raise ArgumentError(f"{path} does not exist; give a model's folder or its config.json")
    file = path / "config.json" if path.is_dir() else path
    if path.is_dir():
        if not file.exists():
            raise ArgumentError(f"{path} has no config.json; give the folder of a checkpoint")
        own_file(path, file.name)
    config = read_json(file) if file.suffix == ".json" else None
    if config is not None and _SPEC_KEY in config:
        return Opened(PositionSpec.from_json(file.read_text(encoding="utf-8")))
    with quiet_libraries():
        reading = examine(path)
    return Opened(reading.spec, config, reading.notes)

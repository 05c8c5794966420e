"""`phasor.read`: any source becomes a spec."""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.nn import Module

from phasor._read.architectures import architecture
from phasor._read.fields import Fields
from phasor._read.gguf import read_gguf
from phasor._read.hugging_face import as_built, names_of, standardise
from phasor._read.limits import check_config, read_json
from phasor._read.live import with_live
from phasor._read.meta import is_params, read_params
from phasor._read.notes import Notes
from phasor._read.own_files import own_file
from phasor._read.regular_file import open_regular
from phasor._read.stack import read_stack
from phasor._read.stated import check_stated
from phasor._read.stored import with_stored
from phasor._read.tensors import stored_frequencies
from phasor.encoding import PositionEncoding
from phasor.errors import ArgumentError, ArgumentTypeError, PhasorError
from phasor.per_layer import PerLayer
from phasor.spec import PositionSpec
from phasor.spec.modules import spec_of


@dataclass(frozen=True)
class Reading:
    """A spec, and what there is to say about how it was read.

    Attributes:
        spec: What the model does.
        notes: Sentences: what was ignored, assumed or not understood.
    """

    spec: PositionSpec
    notes: tuple[str, ...] = ()


def read(source: Any, *, strict: bool = True) -> PositionSpec:
    """The spec of a model.

    Where transformers is installed, its config class standardises what the file says; the spec
    holds what is then computed, which is not always what was written. Without it, configs of
    llama, mistral, mixtral, qwen2, qwen3 and gemma are read to the same spec; others need it. No
    code from a checkpoint is run and nothing is unpickled.

    Args:
        source: A config dict, a `config.json`, Meta's `params.json`, a GGUF file, a folder that
            holds one of the first two, a config object or live model of transformers, or an
            encoding or `PerLayer` of phasor's own.
        strict: Refuse what is not understood. Otherwise it is warned about.

    Returns:
        What the model computes. Where the source says something else, there is a `UserWarning`;
        `phasor.examine` returns those sentences instead.

    Raises:
        ArgumentError: No source, no config, or one that is not understood; the message names the
            key, the value and the file.
        ArgumentTypeError: Something that is no source.

    Source:
        The numbers are the config's. How each architecture uses them is in the table
        `architectures.json`, held to transformers' own code by the tests:
        docs/reference/architectures.md.

    Examples:
        >>> spec = phasor.read({"model_type": "llama", "rope_theta": 500000.0, "head_dim": 64})
        >>> spec.layers[0].rotary.frequencies
        GeometricSpec(rotary_dim=64, base=500000.0)
    """
    reading = examine(source, strict=strict)
    for sentence in reading.notes:
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return reading.spec


def examine(source: Any, *, strict: bool = True, where: str = "config") -> Reading:
    """As `read`, with the warnings beside the spec instead of raised as such.

    Args:
        source: As for `read`.
        strict: As for `read`.
        where: What errors call a dict.
    """
    if isinstance(source, Mapping):
        return _of_dict(dict(source), Notes(where, strict=strict))
    if isinstance(source, (str, Path)):
        return _of_path(Path(source), strict=strict)
    if isinstance(source, PositionEncoding | PerLayer):
        return Reading(spec_of(source))
    config = getattr(source, "config", source)
    if not isinstance(getattr(config, "model_type", None), str):
        raise ArgumentTypeError(
            "a source must be a config dict, a file, a folder, or a config or model of "
            f"transformers, got {type(source).__name__}"
        )
    notes = Notes(type(config).__name__, strict=strict)
    spec = _of_config(config, notes)
    return _reading(with_live(spec, source, notes) if isinstance(source, Module) else spec, notes)


def _of_path(path: Path, *, strict: bool) -> Reading:
    if not os.path.exists(path):  # where Path's own raises for names that are too long
        raise ArgumentError(f"{path} does not exist; give a config.json, a folder or a GGUF file")
    folder = path if path.is_dir() else None
    if folder is None and _is_gguf(path):
        notes = Notes(str(path), strict=strict)
        with _one_sentence(notes, "GGUF file"):
            return _reading(read_gguf(path, notes), notes)
    if folder is not None:
        names = ("config.json", "params.json")
        name = next((name for name in names if os.path.lexists(folder / name)), None)
        if name is None:
            raise ArgumentError(f"{folder} holds no config.json and no params.json")
        own_file(folder, name)
        path = folder / name
    notes = Notes(str(path), strict=strict)
    reading = _of_dict(read_json(path), notes)
    if folder is None:
        return reading
    with _one_sentence(notes, "checkpoint"):
        stored = stored_frequencies(folder, notes)
        return _reading(with_stored(reading.spec, stored, notes), notes)


def _of_dict(config: dict[str, Any], notes: Notes) -> Reading:
    check_config(config, notes.where)
    if is_params(config):
        with _one_sentence(notes, "params.json"):
            return _reading(read_params(config, notes), notes)
    made = standardise(config, notes)
    spec = _of_config(made, notes)
    known = names_of(made) | set(architecture(str(made.model_type)).fixed)
    with _one_sentence(notes, f"config of {spec.model}"):
        check_stated(config, spec, known, notes)
    return _reading(spec, notes)


def _of_config(config: Any, notes: Notes) -> PositionSpec:
    model = str(config.model_type)
    with _one_sentence(notes, f"config of {model}"):
        return read_stack(Fields(as_built(config), notes), model, model)


@contextmanager
def _one_sentence(notes: Notes, what: str) -> Iterator[None]:
    """Whatever is wrong within is said with the name of its source."""
    try:
        with notes.naming_the_source():
            yield
    except PhasorError:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise notes.wrong(
            f"a value is of a kind that no {what} has: {type(error).__name__}: {reason}"
        ) from None


def _reading(spec: PositionSpec, notes: Notes) -> Reading:
    return Reading(spec, tuple(notes.said))


def _is_gguf(path: Path) -> bool:
    with open_regular(path) as file:
        try:
            return path.suffix.lower() == ".gguf" or file.read(4) == b"GGUF"
        except OSError as error:
            raise ArgumentError(f"{path} cannot be read: {error.strerror}") from None

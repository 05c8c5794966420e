"""`phasor.read`: any source becomes a spec."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasor.checkpoints.architectures import architecture
from phasor.checkpoints.fields import Fields
from phasor.checkpoints.hugging_face import standardise
from phasor.checkpoints.layers import read_layers
from phasor.checkpoints.limits import check_config, read_json
from phasor.checkpoints.notes import Notes
from phasor.errors import ArgumentTypeError
from phasor.spec import PositionSpec


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

    Args:
        source: A config dict, a `config.json`, a folder that holds one, or a config object or live
            model of transformers.
        strict: Refuse what is not understood. Otherwise it is warned about.

    Returns:
        What the model computes, which is not always what its config says: that is warned about.

    Raises:
        ArgumentError: No source, no config, or one that is not understood; the message names the
            key, the value and the file.
        ArgumentTypeError: Something that is no source.

    Examples:
        >>> spec = phasor.read({"model_type": "llama", "rope_theta": 500000.0, "head_dim": 64})
        >>> spec.layers[0].encodings[0].frequencies
        GeometricSpec(rotary_dim=64, base=500000.0)
    """
    reading = examine(source, strict=strict)
    for sentence in reading.notes:
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return reading.spec


def examine(source: Any, *, strict: bool = True) -> Reading:
    """As `read`, with the warnings beside the spec instead of raised as such."""
    if isinstance(source, Mapping):
        notes = Notes("config", strict=strict)
        check_config(dict(source), notes.where)
        return _of_config(standardise(dict(source), notes), notes)
    if isinstance(source, (str, Path)):
        path = Path(source)
        path = path / "config.json" if path.is_dir() else path
        notes = Notes(str(path), strict=strict)
        return _of_config(standardise(read_json(path), notes), notes)
    config = getattr(source, "config", source)
    if not isinstance(getattr(config, "model_type", None), str):
        raise ArgumentTypeError(
            "a source must be a config dict, a file, a folder, or a config or model of "
            f"transformers, got {type(source).__name__}"
        )
    return _of_config(config, Notes(type(config).__name__, strict=strict))


def _of_config(config: Any, notes: Notes) -> Reading:
    spec = _spec(Fields(config, notes), str(config.model_type), notes)
    return Reading(spec, tuple(notes.said))


def _spec(fields: Fields, model_type: str, notes: Notes) -> PositionSpec:
    row = architecture(model_type)
    if row.mechanism == "unsupported":
        raise notes.wrong(f"{model_type} is not supported: {row.reason}")
    if row.text is not None:
        text = fields.sub(row.text)
        if text is None:
            raise notes.wrong(f"{row.text} is missing and has no documented default")
        return _spec(text, str(text.get("model_type")), notes)
    return PositionSpec(
        model=model_type,
        layers=read_layers(fields, row),
        causal=row.causal,
        max_seq_len=fields.whole_or("max_position_embeddings", None),
    )

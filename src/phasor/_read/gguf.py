"""GGUF files: the metadata that llama.cpp reads, as it reads it."""

from pathlib import Path
from typing import Any

from phasor._read.fields import MOST_TOKENS, Fields
from phasor._read.gguf_header import read_header
from phasor._read.gguf_keys import Keys, doubt_unread
from phasor._read.gguf_layers import TABLE, read_gguf_embedding, read_gguf_layers
from phasor._read.gguf_models import GGUF_MODELS
from phasor._read.notes import Notes
from phasor.rotary.scaling.searched import FREQS, LONG, SHORT
from phasor.spec import PositionSpec, RotarySpec


def read_gguf(path: Path, notes: Notes) -> PositionSpec:
    """The spec of what llama.cpp computes from a GGUF file.

    It is read from the file's metadata and its tensors of factors alone.

    Raises:
        ArgumentError: No GGUF file, an architecture that is not known, or a value that cannot be;
            if strict, a key about rotation or attention that llama.cpp does not read.
    """
    values = _metadata(path)
    model = values.get("general.architecture")
    if not isinstance(model, str):
        raise notes.wrong("general.architecture is missing")
    if model not in GGUF_MODELS:
        raise notes.wrong(f"general.architecture {model!r} is not known")
    keys = Keys(values, model)
    with notes.naming_the_source():
        return _read(Fields(keys, notes), keys, model, values)


def _read(fields: Fields, keys: Keys, model: str, tensors: dict[str, Any]) -> PositionSpec:
    row, notes = GGUF_MODELS[model], fields.notes
    layers = read_gguf_layers(fields, row, model, tensors)
    turns = any(isinstance(each, RotarySpec) for layer in layers for each in layer.encodings)
    if turns and fields.get("rope.freq_base") is None:
        notes.note("rope.freq_base is missing; llama.cpp takes 10000")
    spec = PositionSpec(
        model=model,
        layers=layers,
        embedding=read_gguf_embedding(fields, row, tensors),
        causal=fields.get("attention.causal", row.causal) is not False,
        max_seq_len=fields.whole_or("context_length", None, most=MOST_TOKENS),
    )
    doubt_unread(keys, model, notes, turns=turns)
    return spec


def _metadata(path: Path) -> dict[str, Any]:
    header = read_header(path)
    found = dict(header.values)
    for name in (FREQS, LONG, SHORT):
        numbers = header.floats(name)
        if numbers is not None:
            found[name] = numbers
    if TABLE in header.tensors:
        found[TABLE] = list(header.tensors[TABLE].shape)
    return found

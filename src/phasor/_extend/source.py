"""Loads what is to be extended: a folder of transformers, or a GGUF file."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from phasor._extend.rotation import (
    RotarySubject,
    check_target,
    read_rotation,
    rotary_modules,
)
from phasor._extend.subject import Subject as Subject
from phasor._extend.table import TableSubject, length_fields, read_table, with_table
from phasor._read import read
from phasor._read.loading import load_config, load_model, load_tokenizer
from phasor.errors import ArgumentError
from phasor.installation import needs
from phasor.spec import LearnedSpec, PositionSpec, RotarySpec


def load(path: Path, *, target_length: int, device: str = "cpu") -> RotarySubject | TableSubject:
    """Load the checkpoint at `path`.

    Args:
        path: A folder with `config.json`, safetensors and a tokenizer, or a GGUF file.
        target_length: Tokens that are wanted; more than the model has.
        device: Where to put the model.

    Raises:
        ArgumentError: Nothing there, a part of it missing or damaged, neither a rotation nor a
            table to extend, or a target within the length that it has.
    """
    model, tokenizer, spec, stored = _pretrained(path)
    model = model.to(device).eval().requires_grad_(False)
    if isinstance(spec.embedding, LearnedSpec):
        trained = spec.embedding.num_positions
        check_target(target_length, trained, path)
        place, table = read_table(model, spec.embedding, stored, path)
        longer = table.interpolate(target_length)
        fields = length_fields(model.config, trained, target_length)
        return TableSubject(
            path=path, model=model, tokenizer=tokenizer, stored=stored, table=table, longer=longer,
            extended=with_table(model, place, longer, fields), place=place, fields=fields,
            causal=spec.causal,
        )  # fmt: skip
    situation = read_rotation(spec, model.config, path, target_length)
    rotary = rotary_modules(model)
    if len(rotary) != 1:
        raise ArgumentError(
            f"{path} has {len(rotary)} modules that hold frequencies; one that all layers share "
            "can be extended so far"
        )
    return RotarySubject(
        path=path, model=model, tokenizer=tokenizer, rotary=rotary, situation=situation,
        stored=stored,
    )  # fmt: skip


def fingerprint(path: Path) -> str:
    """A hash of every byte of the config and the weights at `path`: equal only if they are.

    It reads the files once more, which takes less than to load them did.
    """
    files = [path]
    if path.is_dir():
        files = sorted(path.glob("*.json")) + sorted(path.glob("*.safetensors"))
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            whole.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()


def _check_file(spec: PositionSpec, path: Path) -> None:
    """Raise unless transformers reads of a GGUF file what it says: it leaves out scalings."""
    from phasor._read import examine

    said = examine(path).spec
    ways = [replace(_in_halves(each), model=path.name, max_seq_len=None) for each in (said, spec)]
    differences = ways[0].diff(ways[1])
    if differences:
        raise ArgumentError(
            f"{path} would be extended as transformers reads it, which is not what it says: "
            f"{differences[0]} (the first is the file); extend the folder that it was made from"
        )


def _in_halves(spec: PositionSpec) -> PositionSpec:
    """With all pairs in halves, as transformers orders the rows that it loads."""
    layers = tuple(
        replace(
            layer,
            encodings=tuple(
                replace(each, layout="half") if isinstance(each, RotarySpec) else each
                for each in layer.encodings
            ),
        )
        for layer in spec.layers
    )
    return replace(spec, layers=layers)


def _check_kind(spec: PositionSpec, path: Path) -> None:
    rotates = any(isinstance(each, RotarySpec) for layer in spec.layers for each in layer.encodings)
    learned = isinstance(spec.embedding, LearnedSpec)
    if spec.towers:
        raise ArgumentError(
            f"{path} is a model of several parts, {', '.join(t.model for t in spec.towers)} among "
            "them; those of one can be extended so far"
        )
    if not rotates and not learned:
        raise ArgumentError(
            f"{path} has no rotary layer whose frequencies could be stretched, and no learned "
            "table that could be interpolated"
        )
    if rotates and learned:
        raise ArgumentError(
            f"{path} both rotates and has a learned table; one of them can be extended so far"
        )
    if rotates and not spec.causal:
        raise ArgumentError(
            f"{path} rotates and reads in both directions; those that rotate and predict the next "
            "token can be extended so far"
        )


def _pretrained(path: Path) -> tuple[Any, Any, PositionSpec, torch.dtype]:
    """Model, tokenizer, what the model does with position, and the type of weights on disk."""
    if not path.exists():
        raise ArgumentError(f"there is nothing at {path}; pass a checkpoint folder or a GGUF file")
    needs("transformers", "running a model")
    if path.is_dir() and not (path / "config.json").exists():
        raise ArgumentError(f"there is no config.json in {path}; pass a checkpoint folder")
    tokenizer = load_tokenizer(path)
    config = load_config(path)
    if config.get_text_config() is not config:
        raise ArgumentError(f"{path} is more than a model of text; those alone can be extended")
    spec = read(config)
    if path.is_file():
        _check_file(spec, path)
    _check_kind(spec, path)
    model, lacking = load_model(path, causal=spec.causal)
    # What BERT makes of its first token alone is not asked for; checkpoints with a head lack it.
    missing = [name for name in lacking if spec.causal or not name.startswith("pooler.")]
    if missing:
        raise ArgumentError(
            f"{path} lacks {len(missing)} weights of its model, {missing[0]} first; pass a whole "
            + ("checkpoint of a causal language model" if spec.causal else "checkpoint")
        )
    if path.is_file():
        # Its numbers are no longer packed, but transformers would not save it as what it now is.
        model.hf_quantizer = None
    stored = config.dtype
    return model, tokenizer, spec, stored if isinstance(stored, torch.dtype) else torch.float32

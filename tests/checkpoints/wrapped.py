"""Models with parts inside: small ones, of which the part that reads text is run.

`wrappers.json` has one line for each config class. A part that is a subject itself is as small as
that subject; of the others one layer is built and nothing is run.
"""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from checkpoints.tiny import SIZES, Subject, subjects
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedConfig

from phasor._read.architectures import architectures

_FILES = (
    "subjects.json",
    "subjects_without_rotation.json",
    "subjects_without_position.json",
    "subjects_of_audio.json",
)
_ASIDE = {
    **dict.fromkeys(("num_hidden_layers", "num_layers", "num_local_layers", "depth"), 1),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 1),
    **dict.fromkeys(("hidden_size", "embed_dim", "embedding_dim", "d_model"), 64),
    **dict.fromkeys(("num_attention_heads", "num_heads", "attention_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "encoder_ffn_dim", "mlp_dim"), 64),
    "vocab_size": 160,
}
"""Sizes of what is not run."""


@dataclass(frozen=True)
class Wrapper(Subject):
    """A config class with configs inside.

    `inside` is the path of the module that is run, where the whole needs more than text.
    """

    inside: str | None = None

    def build(self) -> tuple[Any, nn.Module]:
        config, model = super().build()
        return config, model if self.inside is None else model.get_submodule(self.inside)

    def arguments(self) -> dict[str, Any]:
        made = _merged(_parts(self.config_class), self.config)
        for path in self.defaults:
            *outer, name = path.split("/")
            held = made
            for part in outer:
                held = held[part]
            held.pop(name)
        return made


def wrappers() -> dict[str, Wrapper]:
    rows = json.loads(Path(__file__).with_name("wrappers.json").read_text())
    return {name: _wrapper(name, row) for name, row in rows.items()}


def parts_of(kind: type[PreTrainedConfig]) -> dict[str, type[PreTrainedConfig]]:
    """The classes of the configs inside, by default."""
    return {
        name: CONFIG_MAPPING[part.model_type] if part.model_type else part.config_class
        for name, part in kind.sub_configs_defaults.items()
    }


def _wrapper(name: str, row: dict[str, Any]) -> Wrapper:
    row = {("model" if key == "class" else key): value for key, value in row.items()}
    row["defaults"] = tuple(row.get("defaults", ()))
    # Text runs through no tower.
    towers = {tower for each in architectures().values() for tower in each.towers}
    return Wrapper(name, without=tuple(towers), **row)


@cache
def _alone() -> dict[type[PreTrainedConfig], Subject]:
    return {each.config_class: each for file in _FILES for each in subjects(file).values()}


def _parts(kind: type[PreTrainedConfig]) -> dict[str, Any]:
    """Arguments for the parts of a config class, each by the class that it has by default."""
    return {
        name: {**_sizes(inner), "model_type": inner.model_type}
        for name, inner in parts_of(kind).items()
    }


def _sizes(kind: type[PreTrainedConfig]) -> dict[str, Any]:
    if kind in _alone():
        return _alone()[kind].arguments()
    known = set(inspect.signature(kind.__init__).parameters)
    known |= {each.name for each in fields(kind)} if is_dataclass(kind) else set()
    parts = _parts(kind)
    sizes = SIZES if parts else _ASIDE
    return {**{name: size for name, size in sizes.items() if name in known}, **parts}


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(first)
    for name, value in second.items():
        both = isinstance(value, dict) and isinstance(made.get(name), dict)
        made[name] = _merged(made[name], value) if both else value
    return made

"""The metadata of a GGUF file, and which of it nobody has read."""

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from phasor._read.fields import Fields, short
from phasor._read.notes import Notes
from phasor.rotary.scaling import YaRN

# Keys of attention that change nothing about position (`src/llama-arch.cpp` has them all).
_NOT_ABOUT_POSITION = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.value_length",
    "attention.value_length_swa",
    "attention.value_length_mla",
    "attention.clamp_kqv",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.group_norm_epsilon",
    "attention.group_norm_groups",
    "attention.q_lora_rank",
    "attention.kv_lora_rank",
    "attention.shared_kv_layers",
    "rope.scaling.finetuned",
}

# What a key that is not read may say without being doubted: that nothing happens.
_NEUTRAL: dict[str, Any] = {
    "attention.sliding_window": 0,
    "attention.scale": 0,
    "attention.temperature_scale": 0,
    "attention.temperature_length": 0,
    "attention.max_alibi_bias": 0,
    "rope.scaling.alpha": 0,
    "rope.scaling.yarn_log_multiplier": 0,
    "rope.scaling.yarn_ext_factor": 1,
    **YaRN.gguf_defaults(),
}


class Keys(Mapping[str, Any]):
    """The values of one architecture by their names without it; remembers which were read.

    Args:
        values: All of a file's metadata.
        model: The architecture, with which its own names begin.
    """

    def __init__(self, values: Mapping[str, Any], model: str) -> None:
        self.others = {
            name: value for name, value in values.items() if not name.startswith(f"{model}.")
        }
        self._own = {
            name.removeprefix(f"{model}."): _as_written(value)
            for name, value in values.items()
            if name not in self.others
        }
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._own[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def left(self) -> dict[str, Any]:
        """What is about rotation or attention and was not read, by its whole name."""
        own = {name: value for name, value in self._own.items() if name not in self._read}
        return {name: value for name, value in (own | self.others).items() if _is_about(name)}


def doubt_unread(keys: Keys, model: str, notes: Notes, *, turns: bool) -> None:
    """Doubt each key about rotation or attention that llama.cpp does not read for this model.

    Args:
        keys: After the spec was read from them.
        model: The architecture.
        notes: Where to say so.
        turns: Whether any layer does; where none does, what is said of rotation is only noted.

    Raises:
        ArgumentError: If strict, and there is one.
    """
    for name, value in keys.left().items():
        if name in _NOT_ABOUT_POSITION or _is_neutral(name, value):
            continue
        if name.startswith("rope.") and not turns:
            notes.note(f"{name} {short(value)} is ignored: no layer turns")
        else:
            notes.doubt(f"{name} {short(value)} is not read by llama.cpp for {model}")


def layers_of(fields: Fields, name: str, count: int) -> list[Any] | None:
    """One value for each layer, where the file has a list or one for all; `None` without either."""
    value = fields.get(name)
    if value is None or isinstance(value, list):
        return fields.list_of(name, count)
    return [value] * count


def _is_neutral(name: str, value: Any) -> bool:
    if name == "attention.sliding_window_pattern" and isinstance(value, list):
        return not any(value)
    return name in _NEUTRAL and value == _NEUTRAL[name]


def _as_written(value: Any) -> Any:
    """The number that was rounded to float32: 0.1 for 0.10000000149."""
    if not isinstance(value, float) or not math.isfinite(value) or abs(value) > 1e38:
        return value
    fits = struct.unpack("f", struct.pack("f", value))[0] == value
    return float(f"{value:.8g}") if fits else value


def _is_about(name: str) -> bool:
    # Files of a vision tower beside it have names of their own, which begin with "clip".
    inside = f".{name}"
    return not name.startswith("clip.") and (".rope." in inside or ".attention." in inside)

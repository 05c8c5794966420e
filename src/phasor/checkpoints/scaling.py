"""The `rope_type` of a config becomes a scaling."""

from collections.abc import Mapping
from typing import Any

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.fields import MOST_TOKENS, Fields, as_float, short
from phasor.checkpoints.notes import Notes, is_neutral
from phasor.errors import unknown_name
from phasor.rotary import scaling
from phasor.rotary.scaling import LengthScaling, Scaling

_EVERY = {"rope_type", "type", "rope_theta", "partial_rotary_factor", "mrope_section"}
_OWN: dict[str, set[str]] = {
    "default": set(),
    "axial": set(),
    "linear": {"factor"},
    "dynamic": {"factor", "original_max_position_embeddings"},
    "yarn": {
        "factor",
        "original_max_position_embeddings",
        "attention_factor",
        "beta_fast",
        "beta_slow",
        "mscale",
        "mscale_all_dim",
        "truncate",
    },
    "longrope": {
        "short_factor",
        "long_factor",
        "factor",
        "attention_factor",
        "original_max_position_embeddings",
    },
    "llama3": {
        "factor",
        "low_freq_factor",
        "high_freq_factor",
        "original_max_position_embeddings",
    },
    "proportional": {"factor"},
}
"""The keys that each type reads."""

_WITHOUT_EFFECT = {
    "finetuned": "it tells how the model was made",
    "attn_factor": "transformers knows attention_factor alone, which replaces YaRN's gain; vLLM, "
    "SGLang and YaRN's authors multiply that gain by attn_factor",
}
"""Known keys of others that transformers does not read."""


def check_keys(parameters: Mapping[str, Any], row: Architecture, notes: Notes) -> None:
    """Doubt what `rope_parameters` hold and nothing reads.

    Raises:
        ArgumentError: An unknown type; if strict, an unknown key.
    """
    kind = parameters.get("rope_type", "default")
    if not isinstance(kind, str) or kind not in _OWN:
        raise notes.wrong(str(unknown_name("rope_type", str(kind), list(_OWN))))
    known = _EVERY | _OWN[kind] | set(row.rope_keys)
    for name, value in parameters.items():
        if name in known or value is None:
            continue
        if any(name in own for own in _OWN.values()):
            notes.note(f"{name} {short(value)} is ignored: rope_type {kind!r} does not read it")
        elif is_neutral(name, value):
            continue
        elif name in _WITHOUT_EFFECT:
            notes.note(f"{name} {short(value)} is ignored: {_WITHOUT_EFFECT[name]}")
        else:
            notes.doubt(
                str(unknown_name("rope_parameters have an unknown key", name, sorted(known)))
                + f" Its value is {short(value)}"
            )


def read_scaling(
    kind: str,
    parameters: Mapping[str, Any],
    outer: Mapping[str, Any],
    fields: Fields,
    row: Architecture,
) -> Scaling | LengthScaling | None:
    """The scaling of one rope type; `None` for "default" and "axial"."""
    read = _Reader(parameters, fields.notes)
    if kind in ("default", "axial"):
        return None
    if row.softmax_mscale and kind != "yarn" and parameters.get("mscale_all_dim"):
        raise fields.notes.wrong(
            f"mscale_all_dim with rope_type {kind!r}: this architecture scales the softmax by it, "
            "which is read of yarn alone"
        )
    if kind == "linear":
        return scaling.linear(factor=read("factor"))
    if kind == "dynamic":
        length = fields.whole("max_position_embeddings", most=MOST_TOKENS)
        return scaling.dynamic_ntk(factor=read("factor"), original_seq_len=length)
    original = int(read("original_max_position_embeddings"))
    if kind == "llama3":
        return scaling.llama3(
            factor=read("factor"),
            low_freq_factor=read("low_freq_factor"),
            high_freq_factor=read("high_freq_factor"),
            original_seq_len=original,
        )
    if read.has("factor"):
        factor = read("factor")
    else:
        factor = fields.whole("max_position_embeddings", most=MOST_TOKENS) / original
    gain = read("attention_factor") if read.has("attention_factor") else None
    if kind == "longrope":
        return scaling.longrope(
            short_factor=read.numbers("short_factor"),
            long_factor=read.numbers("long_factor"),
            original_seq_len=original,
            factor=None if gain is not None else factor,
            short_attention_factor=gain,
            long_attention_factor=gain,
        )
    # transformers looks for `truncate` beside the layer types, not within them.
    truncate = outer.get("truncate", True)
    if parameters.get("truncate", truncate) != truncate:
        fields.notes.note("truncate is ignored: transformers reads it outside the layer types")
    all_dim = read("mscale_all_dim") if read.has("mscale_all_dim") else None
    return scaling.yarn(
        factor=factor,
        original_seq_len=original,
        beta_fast=read("beta_fast") if parameters.get("beta_fast") else 32.0,
        beta_slow=read("beta_slow") if parameters.get("beta_slow") else 1.0,
        truncate=bool(truncate),
        attention_factor=gain,
        mscale=read("mscale") if read.has("mscale") else None,
        mscale_all_dim=all_dim,
        scale_softmax=row.softmax_mscale and bool(all_dim),
    )


class _Reader:
    def __init__(self, parameters: Mapping[str, Any], notes: Notes) -> None:
        self.parameters, self.notes = parameters, notes

    def has(self, name: str) -> bool:
        return self.parameters.get(name) is not None

    def __call__(self, name: str) -> float:
        value = self.parameters.get(name)
        if value is None:
            kind = self.parameters.get("rope_type")
            raise self.notes.wrong(
                f"{name} is missing, and rope_type {kind!r} has no default for it"
            )
        return self._number(name, value)

    def numbers(self, name: str) -> list[float]:
        value = self.parameters.get(name)
        if not isinstance(value, (list, tuple)):
            raise self.notes.wrong(f"{name} must be a list of numbers, got {short(value)}")
        return [self._number(name, item) for item in value]

    def _number(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.notes.wrong(f"{name} must be a number, got {short(value)}")
        return as_float(value, name, self.notes)

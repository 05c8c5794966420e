"""What no config states: how each architecture uses the numbers of its config.

The knowledge is a table, `architectures.json`: one row for each `model_type`, with what differs
from the defaults of `Architecture`.
"""

import json
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from phasor.errors import unknown_name
from phasor.rotary.axes import SectionOrder
from phasor.rotary.layout import Layout, RotarySlice

Mechanism = Literal["rotary", "learned", "sinusoidal", "alibi", "t5", "none", "unsupported"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One row of the table.

    Attributes:
        mechanism: How position enters.
        reason: Of an unsupported one: why.
        layout: Which channels form a pair.
        rotary_slice: Which channels turn.
        head_dim: The names that may hold the channels of a head, first come first served; where
            none does, it is the hidden size over the number of heads.
        still: The name of those channels of a head that are put before the turning ones (DeepSeek).
        width: What turns of a head where `rope_type` is "default": `"head"`, all of it, whatever
            `partial_rotary_factor` says; `"partial"`, that factor of it; or the name of a number.
        layers: The name of the number of layers.
        causal: Whether tokens see earlier ones only.
        rotates: Which layers turn: `"all"`; the name of a list of flags (1: turns); or `"types:"`
            and the layer types that turn.
        theta: The name of the base, where it is not in `rope_parameters`; or a number.
        sections: Order of the sections of several axes.
        sections_name: Where the sections are, if not in `rope_parameters`.
        sections_default: What they are where the config has none.
        window: Which layers have a window: `"types"`, those of a sliding type; `"all"`; or `"none"`.
        two_sided: How a window of the config counts where tokens see both sides.
        score_scale: What scores are multiplied by: a name for a number; `"rsqrt:"` and the name
            of a number under the root; or a number.
        softmax_mscale: Whether YaRN's gain is on the softmax as well (DeepSeek).
        temperature: Name of the rule by which queries grow.
        text: The name of the config inside that holds the text model.
        towers: Names of other configs inside.
        rope_keys: Further keys of `rope_parameters` that its code reads.
        quirks: What else the model's code does, as sentences for people.
    """

    mechanism: Mechanism = "rotary"
    reason: str = ""
    layout: Layout = "half"
    rotary_slice: RotarySlice = "leading"
    head_dim: tuple[str, ...] = ("head_dim",)
    still: str | None = None
    width: str = "head"
    layers: str = "num_hidden_layers"
    causal: bool = True
    rotates: str = "all"
    theta: str | float | None = None
    sections: SectionOrder | None = None
    sections_name: str | None = None
    sections_default: tuple[int, ...] | None = None
    window: str = "types"
    two_sided: str | None = None
    score_scale: str | float | None = None
    softmax_mscale: bool = False
    temperature: str | None = None
    text: str | None = None
    towers: tuple[str, ...] = ()
    rope_keys: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()


@cache
def architectures() -> dict[str, Architecture]:
    """The table, by `model_type`."""
    text = files("phasor.checkpoints").joinpath("architectures.json").read_text("utf-8")
    return {name: _row(name, row) for name, row in json.loads(text).items()}


def architecture(model_type: str) -> Architecture:
    """The row of one `model_type`.

    Raises:
        ArgumentError: There is none.
    """
    table = architectures()
    if model_type not in table:
        near = [name for name in table if name[:2] == model_type[:2]]
        raise unknown_name("no architecture is known with the model_type", model_type, near)
    return table[model_type]


def _row(name: str, row: dict[str, Any]) -> Architecture:
    known = {field.name for field in fields(Architecture)}
    assert set(row) <= known, (name, set(row) - known)
    made = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Architecture(**made)

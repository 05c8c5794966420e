"""What no config states: how each architecture uses the numbers of its config.

The knowledge is a table, `architectures.json`: one row for each `model_type`, with what differs
from the defaults of `Architecture`. Names in a row are names of fields of the config.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from phasor.errors import unknown_name
from phasor.rotary.axes import SectionOrder
from phasor.rotary.layout import Layout, RotarySlice

Mechanism = Literal[
    "rotary",
    "none",
    "alibi",
    "t5",
    "shaw",
    "transformer_xl",
    "deberta",
    "relative_logits",
    "unsupported",
]

Dtype = Literal[
    "activations",
    "float32 tables",
    "float32 products",
    "float32",
    "float32 in part",
    "unmeasured",
]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One row of the table.

    Attributes:
        mechanism: What happens in the layers.
        reason: Of an unsupported one: why.
        layout: Which channels form a pair.
        layout_switch: A flag that, where it is false, makes the layout "half".
        rotary_slice: Which channels turn.
        halves_out: Whether neighbours are paired on the way in and come out in two halves, the same
            for query and key (DeepSeek-V3): their product is that of the spec.
        dtype: Where transformers computes the rotation of bfloat16 activations, measured by
            `phasor.patch`: as they are (`"activations"`); by tables that stay in float32; with
            activations and rounded tables cast to float32 first (`"float32 products"`); or both
            (`"float32"`); and cast back. `"float32 in part"`: in a second call, which gets float32
            and returns it. `"unmeasured"`: `patch` leaves the model alone.
        values: What becomes of values: as in `LayerSpec`, or "flag:" and a name: turned if true.
        backwards: Whether pairs turn by minus the angle (nanochat).
        uneven: Whether the two channels of a pair turn by different angles: `"sections"`, as axes
            share out the doubled table (HunYuan-VL), or `"tiled"`, as neighbours are paired in it
            (V-JEPA 2).
        head_dim: Names that may hold the channels of a head, first come first served; where none
            does, it is the hidden size over the number of heads.
        still: Name of those channels of a head that are put before the turning ones (DeepSeek).
        width: What turns of a head where `rope_type` is "default": `"head"`, all of it, whatever
            `partial_rotary_factor` says; `"partial"`, that factor of it; `"rule:clvp"`;
            `"rule:thirds"`, three equal blocks of whole pairs; or the name of a number.
        theta: Where the base is, if not in `rope_parameters`: a name or a number. Names a list
            where layers differ.
        labels: The entry of `rope_parameters` for each layer type, where they differ.
        sections: Order of the sections of several axes.
        sections_name: Where the sections are, if not in `rope_parameters`.
        sections_default: What they are where the config has none; "equal:2" shares pairs evenly.
        axes: Of an image: which pairs turn with its rows and columns, by a rule of `axes.py`.
        layers: Name of the number of layers.
        types: Name of the list of layer types.
        bare: Layer types without attention, besides the usual ones.
        causal: Whether tokens see earlier ones only, unless the config has `is_causal` false.
        undirected: Name of a flag that lets them see later ones as well (EmbeddingGemma).
        rotates: Which layers turn: `"all"`; `"types:"` and the layer types that turn; a rule of
            `turning.py`; or the name of a list of flags (1: turns).
        scaled: Name of the list of layers whose frequencies are scaled; the others' are not.
        when: A name and the value it must have for layers to be as this row says.
        otherwise: The row for other values; layers without position where there is none.
        window: Which layers have one: `"types"`, those of a sliding type; `"all"`; or `"none"`.
        window_name: Name of its size.
        sides: 2 where the window counts the tokens on either side of the query.
        exclusive: Whether it then ends before the token at that distance.
        chunk: Name of the size of the blocks that layers of a chunked type see.
        score_scale: What scores are multiplied by: the name of a number; `"rsqrt:"` and the name
            of a number under the root (`"rsqrt_half:"`: half of it; `"inverse:"`: no root); or a
            number.
        softmax_mscale: Whether YaRN's gain is on the softmax as well (DeepSeek).
        indexer: The second rotation of layers that choose tokens first, by the same angles: the
            name of its `head_dim`, its `layout`, its `rotary_slice`, and in which `layers` it is: a
            list and the entry they have in it (`indexer_types:full`), all of them without.
        temperature: The rule of `temperature.py` by which queries grow.
        embedding: What is added to token embeddings: see `embedding.py`.
        bias: How a bias differs: `bfloat16`, `before_scale` (ALiBi), `shared` (T5).
        heads: Name of the number of heads, for biases.
        stack: Name of the config inside that holds the model's own layers.
        towers: Other stacks, by name: `config` (a config inside; else this one) and `row`.
        names: Names in this config for those that rows use; an empty one for what it lacks.
        sliding_names: The same in layers of a sliding type, where they differ.
        scales: Whether its code looks at `rope_type`; else frequencies are never scaled.
        switched_gain: Whether gains for short and for long sequences stand in `short_mscale` and
            `long_mscale`, and one list of factors holds for both (Phi-3.5-MoE).
        alpha: Whether `alpha` makes the type "dynamic" the same at every length (HunYuan).
        rope_keys: Further keys of `rope_parameters` that its code reads.
        fixed: Names about position that its code does not read, and the value that it goes by.
        omits: What the code does to position and the spec does not hold, as sentences.
    """

    mechanism: Mechanism = "rotary"
    reason: str = ""
    layout: Layout = "half"
    layout_switch: str | None = None
    rotary_slice: RotarySlice = "leading"
    halves_out: bool = False
    dtype: Dtype = "activations"
    values: str = "still"
    backwards: bool = False
    uneven: Literal["sections", "tiled"] | None = None
    head_dim: tuple[str, ...] = ("head_dim",)
    still: str | None = None
    width: str = "head"
    theta: str | float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    sections: SectionOrder | None = None
    sections_name: str | None = None
    sections_default: tuple[int, ...] | str | None = None
    axes: str | None = None
    layers: str = "num_hidden_layers"
    types: str = "layer_types"
    bare: tuple[str, ...] = ()
    causal: bool = True
    undirected: str | None = None
    rotates: str = "all"
    scaled: str | None = None
    when: tuple[str, Any] | None = None
    otherwise: str | None = None
    window: str = "types"
    window_name: str = "sliding_window"
    sides: int = 1
    exclusive: bool = False
    chunk: str | None = None
    score_scale: str | float | None = None
    softmax_mscale: bool = False
    indexer: Mapping[str, str] | None = None
    temperature: str | None = None
    embedding: Mapping[str, Any] | None = None
    bias: Mapping[str, bool] = field(default_factory=dict)
    heads: str = "num_attention_heads"
    stack: str | None = None
    towers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    sliding_names: Mapping[str, str] = field(default_factory=dict)
    scales: bool = True
    switched_gain: bool = False
    alpha: bool = False
    rope_keys: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    omits: tuple[str, ...] = ()


@cache
def architectures() -> dict[str, Architecture]:
    """The table, by `model_type`; rows for parts of a model have a slash in their names."""
    text = files("phasor.checkpoints").joinpath("architectures.json").read_text("utf-8")
    return {name: _row(name, row) for name, row in json.loads(text).items()}


def architecture(model_type: str) -> Architecture:
    """The row of one `model_type`.

    Raises:
        ArgumentError: There is none.
    """
    table = architectures()
    if model_type not in table:
        near = [name for name in table if name[:3] == model_type[:3] and "/" not in name]
        raise unknown_name("no architecture is known with the model_type", model_type, near)
    return table[model_type]


def _row(name: str, row: dict[str, Any]) -> Architecture:
    known = {each.name for each in fields(Architecture)}
    assert set(row) <= known, (name, set(row) - known)
    made: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    return Architecture(**made)

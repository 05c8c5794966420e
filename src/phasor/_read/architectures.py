"""What no config states: how each architecture uses the numbers of its config.

The knowledge is a table, `architectures.json`, of three parts: `rows`, one for each `model_type`,
with what differs from the defaults of `Architecture`; `wrappers`, models around a text model, which
share one row; and `refused`, those that nobody reads yet, by the reason. Names in a row are names
of fields of the config. What fits no row is a Python function in `_odd`, which its row names.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from phasor.errors import ArgumentError, unknown_name
from phasor.rotary.axes import SectionOrder
from phasor.rotary.layout import Layout, RotarySlice

Mechanism = Literal["rotary", "none", "alibi", "t5", "unsupported"]
Dtype = Literal[
    "activations",
    "float32 tables",
    "float32 products",
    "float32",
    "float32 in part",
    "unmeasured",
]
Axes = Literal["axial", "columns_first", "alternating", "divided", "video", "periods", "halves"]
TableKind = Literal["learned", "sinusoidal"]
Window = Literal["types", "all", "none"]


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """What is added to token embeddings.

    Attributes:
        kind: A table or sines.
        positions: Name of the number of rows; names whose product it is; or `"patches"`, those of
            an image.
        dim: Name of its width.
        rows: How many the table has beyond `positions`.
        offset: Rows before that of position 0.
        after_padding: Whether these are as many as `pad_token_id` and one more.
        endpoint: Of sines, see `SinusoidalSpec`.
    """

    kind: TableKind
    positions: str | tuple[str, ...] = "max_position_embeddings"
    dim: str = "hidden_size"
    rows: int = 0
    offset: int = 0
    after_padding: bool = False
    endpoint: bool = False


@dataclass(frozen=True, kw_only=True)
class Indexer:
    """The second rotation of layers that choose tokens first, by the same angles.

    Attributes:
        head_dim: Name of its channels.
        layout: Which of them form a pair.
        rotary_slice: Which turn.
        layers: In which layers it is: the name of a list and the entry they have in it; all of them
            without.
    """

    head_dim: str
    layout: Layout
    rotary_slice: RotarySlice
    layers: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Tower:
    """Another stack of a model: a config inside, or the same one, and its row if it is not by type.

    Attributes:
        config: Name of the config inside; none where it is the same.
        row: Name of its row, where the `model_type` inside does not say.
    """

    config: str | None = None
    row: str | None = None


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One row of the table.

    Attributes:
        mechanism: What happens in the layers, besides what `odd` adds.
        reason: Of an unsupported one: why.
        odd: The function of `_odd` that reads the layers where a row cannot say all.
        layout: Which channels form a pair.
        rotary_slice: Which channels turn.
        dtype: Where transformers computes the rotation of bfloat16 activations, measured by
            `phasor.patch`: as they are (`"activations"`); by tables that stay in float32; with
            activations and rounded tables cast to float32 first (`"float32 products"`); or both
            (`"float32"`); and cast back. `"float32 in part"`: in a second call, which gets float32
            and returns it. `"unmeasured"`: `patch` leaves the model alone.
        latent: Whether heads are `qk_nope_head_dim` channels that stand still and then
            `qk_rope_head_dim` that turn (DeepSeek).
        softmax_mscale: Whether YaRN's gain is on the softmax as well (DeepSeek).
        partial: Whether `partial_rotary_factor` is heeded where `rope_type` is "default".
        sections: Order of the sections of several axes.
        section_sizes: What they are where `rope_parameters` have none.
        axes: Of an image: which pairs turn with its rows and columns, by a rule of `axes.py`.
        turning: Name of a list of flags, one for each layer: those that turn. Else all do.
        causal: Whether tokens see earlier ones only, unless the config has `is_causal` false. Where
            they do not, a window counts the tokens on either side.
        window: Which layers have one: `"types"`, those of a sliding type; `"all"`; or `"none"`.
        score_scale: What scores are multiplied by: a number or the name of one.
        indexer: The second rotation of layers that choose tokens first.
        embedding: What is added to token embeddings.
        when: Names and the value each must have for layers to be as this row says.
        otherwise: The row for other values; layers without position where there is none.
        stack: Name of the config inside that holds the model's own layers.
        towers: Other stacks, by name.
        names: Names in this config for those that are asked for; an empty one for what it lacks.
        rope_keys: Further keys of `rope_parameters` that its code reads.
        fixed: Names about position that its code does not read, and the value that it goes by.
        omits: What the code does to position and the spec does not hold, as sentences.
    """

    mechanism: Mechanism = "rotary"
    reason: str = ""
    odd: str | None = None
    layout: Layout = "half"
    rotary_slice: RotarySlice = "leading"
    dtype: Dtype = "activations"
    latent: bool = False
    softmax_mscale: bool = False
    partial: bool = False
    sections: SectionOrder | None = None
    section_sizes: tuple[int, ...] | None = None
    axes: Axes | None = None
    turning: str | None = None
    causal: bool = True
    window: Window = "types"
    score_scale: str | float | None = None
    indexer: Indexer | None = None
    embedding: Embedding | None = None
    when: Mapping[str, Any] = field(default_factory=dict)
    otherwise: str | None = None
    stack: str | None = None
    towers: Mapping[str, Tower] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    rope_keys: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    omits: tuple[str, ...] = ()


WRAPPER = Architecture(
    stack="text_config",
    towers={name: Tower(config=f"{name}_config") for name in ("vision", "audio", "qformer")},
)
"""A text model and what it is given to read, where the config has it."""


@cache
def architectures() -> dict[str, Architecture]:
    """The table, by `model_type`; rows for parts of a model have a slash in their names."""
    text = files("phasor._read").joinpath("architectures.json").read_text("utf-8")
    return read_table(json.loads(text))


def read_table(table: Mapping[str, Any]) -> dict[str, Architecture]:
    """The rows of a table as `architectures.json` has it.

    Raises:
        ArgumentError: A row holds what no row has, or stands twice; the message names row and
            field.
    """
    named = [(name, _made(Architecture, name, row)) for name, row in table["rows"].items()]
    named += [(name, WRAPPER) for name in table["wrappers"]]
    named += [
        (name, Architecture(mechanism="unsupported", reason=reason))
        for reason, names in table["refused"].items()
        for name in names
    ]
    rows = dict(sorted(named, key=lambda each: each[0]))
    if len(rows) < len(named):
        twice = sorted({name for name, _ in named if [each for each, _ in named].count(name) > 1})
        raise ArgumentError(f"each architecture must stand once in the table, got {twice} twice")
    for name, row in rows.items():
        further = {f"towers.{tower}.row": each.row for tower, each in row.towers.items()}
        for where, other in {"otherwise": row.otherwise, **further}.items():
            if other is not None and other not in rows:
                raise ArgumentError(f"{where} of {name} must be a row, got {other!r}")
    return rows


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


_PARTS: dict[str, type] = {"embedding": Embedding, "indexer": Indexer}


def _made(kind: type, row: str, values: Any, path: str = "") -> Any:
    """A dataclass of what JSON holds, each field checked by its annotation."""
    if not isinstance(values, dict):
        raise ArgumentError(f"{path or 'a row'} of {row} must be an object, got {values!r}")
    known = {each.name: each for each in fields(kind)}
    made: dict[str, Any] = {}
    for name, value in values.items():
        where = f"{path}.{name}" if path else name
        if name not in known:
            raise unknown_name(f"row {row} has an unknown field", where, list(known))
        if name in _PARTS and kind is Architecture:
            made[name] = _made(_PARTS[name], row, value, where)
        elif name == "towers":
            made[name] = {
                each: _made(Tower, row, tower, f"{where}.{each}") for each, tower in value.items()
            }
        else:
            made[name] = tuple(value) if isinstance(value, list) else value
            if not _fits(made[name], known[name].type):
                raise ArgumentError(
                    f"{where} of {row} must be {_shown(known[name].type)}, got {value!r}"
                )
    missing = [n for n, each in known.items() if n not in made and _is_required(each)]
    if missing:
        raise ArgumentError(f"{path} of {row} must have {' and '.join(missing)}, got {values!r}")
    return kind(**made)


def _is_required(each: Any) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _fits(value: Any, expected: Any) -> bool:
    options = get_args(expected)
    origin = getattr(expected, "__origin__", None)
    if origin is Literal:
        return value in options
    if origin is tuple:
        kinds = options[:1] * len(value) if isinstance(value, tuple) and ... in options else options
        return (
            isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
        )
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(each, options[1]) for each in value.values())
    if options:  # a union
        return any(_fits(value, each) for each in options)
    return expected is Any or (value is None and expected is type(None)) or type(value) is expected


def _shown(expected: Any) -> str:
    options = get_args(expected)
    if getattr(expected, "__origin__", None) is Literal:
        return f"one of {', '.join(map(repr, options))}"
    return getattr(expected, "__name__", str(expected)) if not options else str(expected)

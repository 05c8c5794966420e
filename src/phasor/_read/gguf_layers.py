"""Layer by layer: which turn, how far they see and what scales them, as llama.cpp has it."""

from collections.abc import Mapping
from typing import Any

from phasor._encoding_spec import EncodingSpec
from phasor._read.fields import MOST_TOKENS, Fields
from phasor._read.gguf_keys import layers_of
from phasor._read.gguf_models import GGUFModel, Windows
from phasor._read.gguf_rope import Turns, head_dim_of, read_rotation, read_turns
from phasor._read.limits import MAX_LAYERS
from phasor.spec import ALiBiSpec, LayerSpec, LearnedSpec, QueryTemperatureSpec

TABLE = "position_embd.weight"
"""The tensor of a learned table of positions."""

_NEXT = "nextn_predict_layers"
_HEADS = ("attention.head_count", "attention.head_count_kv")
_SLOPES = 8.0
"""ALiBi's max_alibi_bias, by which its slopes are those of the paper."""


def read_gguf_layers(
    fields: Fields, row: GGUFModel, model: str, tensors: Mapping[str, Any]
) -> tuple[LayerSpec, ...]:
    """The layers of a file, without those that draft further tokens."""
    all_of_them = fields.whole("block_count", most=MAX_LAYERS)
    drafting = fields.whole_or(_NEXT, None) if fields.get(_NEXT) else 0
    count = all_of_them - (drafting or 0)
    if count < 1:
        raise fields.wrong(_NEXT, f"less than the {all_of_them} layers", drafting)
    heads = [layers_of(fields, name, count) for name in _HEADS]
    windowed = _windowed(fields, row, count)
    turning = _turning(fields, row, windowed)
    turns = read_turns(fields, row, model, tensors) if row.layout is not None else None
    made: dict[tuple[bool, bool], LayerSpec] = {}
    layers = []
    for at in range(count):
        if any(each is not None and each[at] == 0 for each in heads):
            layers.append(LayerSpec())  # a convolution, or nothing at all
            continue
        kind = windowed[at], turning[at]
        if kind not in made:
            made[kind] = _layer(fields, row, turns, count, windowed=kind[0], turns_here=kind[1])
        layers.append(made[kind])
    return tuple(layers)


def read_gguf_embedding(
    fields: Fields, row: GGUFModel, tensors: Mapping[str, Any]
) -> EncodingSpec[Any] | None:
    """The learned table of positions, if the model has one."""
    if row.embedding is None or (row.embedding == "tensor" and TABLE not in tensors):
        return None
    return LearnedSpec(
        num_positions=fields.whole("context_length", most=MOST_TOKENS),
        dim=fields.whole("embedding_length"),
    )


def _layer(
    fields: Fields,
    row: GGUFModel,
    turns: Turns | None,
    count: int,
    *,
    windowed: bool,
    turns_here: bool,
) -> LayerSpec:
    encodings: list[EncodingSpec[Any]] = []
    if _has_alibi(fields, row, count):
        encodings.append(ALiBiSpec(num_heads=fields.whole("attention.head_count")))
    if turns is not None and turns_here:
        encodings.append(read_rotation(fields, row, turns, windowed=windowed))
    if turns is not None:
        encodings += _temperature(fields, row, turns, turns_here=turns_here)
    size = _size(fields, row.windows) if windowed and row.windows else None
    chunked = row.windows is not None and row.windows.kind == "chunked"
    return LayerSpec(
        encodings=tuple(encodings),
        window=None if chunked else size,
        chunk=size if chunked else None,
        score_scale=_score_scale(fields, row, turns, count, windowed=windowed),
    )


def _windowed(fields: Fields, row: GGUFModel, count: int) -> list[bool]:
    """Which layers have a window (`load_swa_pattern`, `set_swa_pattern`)."""
    windows = row.windows
    if windows is None or windows.only_layers not in (None, count):
        if row.windows_left_out or windows is not None:
            _note_left_out(fields)
        return [False] * count
    if _size(fields, windows) is None:
        return [False] * count
    name = "attention.sliding_window_pattern"
    given = fields.get(name)
    if isinstance(given, list):
        return [bool(each) for each in fields.list_of(name, count) or ()]
    pattern = fields.whole_or(name, windows.pattern, most=MAX_LAYERS)
    if pattern is None:
        raise fields.missing(name)
    if pattern == 0:
        return [True] * count
    if windows.dense_first:
        return [at % pattern != 0 for at in range(count)]
    return [at % pattern < pattern - 1 for at in range(count)]


def _note_left_out(fields: Fields) -> None:
    size = fields.get("attention.sliding_window")
    if size:
        fields.notes.note(
            f"attention.sliding_window {size} is ignored: llama.cpp lets all layers of this model "
            "see everything"
        )


def _size(fields: Fields, windows: Windows) -> int | None:
    """Tokens that a layer with a window sees; `None` where the model has none."""
    name = "attention.sliding_window"
    if fields.get(name) == 0:  # stands for no window
        return None
    size = fields.whole_or(name, windows.size, most=MOST_TOKENS)
    if size is None and windows.size_needed:
        raise fields.missing(name)
    if size is None or windows.kind == "standard":
        return size
    if windows.kind == "symmetric":
        return 2 * (size // 2) + 1
    if not windows.given_size and size != windows.size:
        fields.notes.note(f"{name} {size} is ignored: llama.cpp takes {windows.size} always")
    return size if windows.given_size else windows.size


def _turning(fields: Fields, row: GGUFModel, windowed: list[bool]) -> list[bool]:
    """Which layers turn."""
    count = len(windowed)
    rule, _, number = row.rotates.partition(":")
    if rule == "windowed":
        return windowed if any(windowed) else [True] * count
    if rule == "switch":
        return [fields.get("rope.scaling.finetuned") is not False] * count
    if rule == "layers":
        return [count == int(number)] * count
    if rule == "step":
        step = int(number)
        if row.temperature == "llama4" and not any(windowed):
            step = count  # llama4.cpp; the last layer does not turn then
        return [(at + 1) % step != 0 for at in range(count)]
    return [row.layout is not None] * count


def _has_alibi(fields: Fields, row: GGUFModel, count: int) -> bool:
    if row.alibi == "key":
        name = "attention.max_alibi_bias"
        bias = fields.number(name, 0.0)
        if bias not in (0.0, _SLOPES):
            raise fields.wrong(name, f"0 or {_SLOPES:g}, by which slopes are the paper's", bias)
        return bias > 0
    return row.alibi == "always" or row.alibi == f"layers:{count}"


def _temperature(
    fields: Fields, row: GGUFModel, turns: Turns, *, turns_here: bool
) -> tuple[QueryTemperatureSpec, ...]:
    """How queries grow (`llm_graph_input_attn_temp` in `src/llama-graph.cpp`)."""
    if row.temperature is None:
        return ()
    if row.temperature == "llama4":
        if turns_here or fields.get("attention.sliding_window") == 0:
            return ()
        return (QueryTemperatureSpec(original_seq_len=8192, coefficient=0.1, offset=1),)
    scale = fields.number("attention.temperature_scale", 0.0)
    length = turns.original
    if row.temperature == "length":
        length = fields.get("attention.temperature_length", 0)
    if not scale:
        return ()
    if not length:
        raise fields.missing("attention.temperature_length")
    return (QueryTemperatureSpec(original_seq_len=length, coefficient=scale),)


def _score_scale(
    fields: Fields, row: GGUFModel, turns: Turns | None, count: int, *, windowed: bool
) -> float | None:
    head_dim = head_dim_of(fields, row, windowed=windowed)
    if row.mla and turns is not None:
        # Where it is DeepSeek's own gain, the scaling of the rotation has it.
        scaled = turns.kind == "yarn" and turns.gain == 1 and turns.log_multiplier
        gain = 1.0 if scaled else turns.softmax_gain()
        return None if gain == 1 else gain * head_dim**-0.5
    if row.scale is None:
        return None
    if not isinstance(row.scale, str):
        return row.scale
    rule, _, number = row.scale.partition(":")
    if rule == "key":
        scale = fields.number("attention.scale", 0.0) or head_dim**-0.5
    elif count == int(number):
        heads = fields.whole("attention.head_count")
        scale = (fields.whole("embedding_length") // heads) ** -0.5
    else:
        scale = head_dim**-0.5
    return None if scale == head_dim**-0.5 else scale

"""Layer by layer: which turn, how, and how far they see."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from phasor._encoding_spec import EncodingSpec
from phasor._read.architectures import Architecture
from phasor._read.fields import MOST_TOKENS, Fields
from phasor._read.limits import MAX_LAYERS, MOST_SIZE
from phasor._read.rope import Turning, read_indexer, read_rotary
from phasor._read.scaling import check_keys
from phasor.spec import ALiBiSpec, LayerSpec, T5BiasSpec

_BARE = {"linear_attention", "conv", "mamba", "mamba2", "recurrent", "short_conv", "moe", "mlp"}

FieldsOf = Callable[[Fields, int, Any], Fields]
"""The fields of a layer by those of the stack, its number and its type."""


class Then(Protocol):
    """What an odd model makes of a layer that has attention."""

    def __call__(self, layer: LayerSpec, fields: Fields, kind: Any, at: int) -> LayerSpec: ...


def layer_types(fields: Fields) -> list[Any]:
    """The type of each layer, `None` where there are none."""
    count = fields.whole("num_hidden_layers", most=MAX_LAYERS)
    return fields.list_of("layer_types", count) or [None] * count


def read_layers(
    fields: Fields,
    row: Architecture,
    *,
    turns: Sequence[bool] | None = None,
    fields_of: FieldsOf | None = None,
    then: Then | None = None,
) -> tuple[LayerSpec, ...]:
    """The layers of one stack.

    Args:
        fields: Of its config.
        row: Of its architecture.
        turns: Which layers turn, if the row does not say.
        fields_of: What each layer sees of the config, if it is not the same for all.
        then: What is still to be done to each layer that has attention.
    """
    types = layer_types(fields)
    if turns is None:
        flags = None if row.turning is None else fields.list_of(row.turning, len(types))
        turns = [True] * len(types) if flags is None else [bool(flag) for flag in flags]
    indexed = _indexed_layers(fields, row, len(types))
    layers: list[LayerSpec] = []
    distinct: set[EncodingSpec[Any]] = set()
    size = 0
    for at, kind in enumerate(types):
        if kind in _BARE:
            layers.append(LayerSpec())
            continue
        own = fields.of_layer(at)
        own = own if fields_of is None else fields_of(own, at, kind)
        layer = _layer(own, row, kind, turns=turns[at], indexed=indexed[at])
        layers.append(layer if then is None else then(layer, own, kind, at))
        size += sum(map(_size, set(layers[-1].encodings) - distinct))
        distinct |= set(layers[-1].encodings)
        if size > MOST_SIZE:
            raise fields.notes.wrong(
                f"the heads of its layers differ, and have more than {MOST_SIZE} channels in all"
            )
    return tuple(layers)


def _size(encoding: EncodingSpec[Any]) -> int:
    """How many numbers it takes to make an encoding, up to a factor."""
    return max(getattr(encoding, name, 0) for name in ("head_dim", "num_heads", "dim"))


def _indexed_layers(fields: Fields, row: Architecture, count: int) -> list[bool]:
    if row.indexer is None or row.indexer.layers is None:
        return [row.indexer is not None] * count
    name, wanted = row.indexer.layers
    return [entry == wanted for entry in fields.list_of(name, count) or [None] * count]


def _layer(
    fields: Fields, row: Architecture, kind: Any, *, turns: bool, indexed: bool
) -> LayerSpec:
    rotary = _rotary(fields, row, kind) if turns and row.mechanism == "rotary" else ()
    return LayerSpec(
        encodings=(*_bias(fields, row), *rotary),
        window=_window(fields, row, kind),
        score_scale=_score_scale(fields, row, rotary)
        if rotary or not row.softmax_mscale
        else _gain_alone(_rotary(fields, row, kind)),
        indexer=read_indexer(fields, row, rotary[0]) if indexed and rotary else None,
    )


def _bias(fields: Fields, row: Architecture) -> tuple[ALiBiSpec | T5BiasSpec, ...]:
    if row.mechanism == "alibi":
        return (ALiBiSpec(num_heads=fields.whole("num_attention_heads")),)
    if row.mechanism == "t5":
        return (
            T5BiasSpec(
                num_heads=fields.whole("num_attention_heads"),
                num_buckets=fields.whole("relative_attention_num_buckets"),
                max_distance=fields.whole_or("relative_attention_max_distance", 128) or 128,
                bidirectional=not row.causal,
                shared=True,
            ),
        )
    return ()


def _rotary(fields: Fields, row: Architecture, kind: Any) -> Turning:
    outer = fields.get("rope_parameters", {})
    if not isinstance(outer, Mapping):
        raise fields.wrong("rope_parameters", "an object", outer)
    parameters = outer.get(kind, outer)
    if parameters is None:  # null stands for a layer type without position
        return ()
    if not isinstance(parameters, Mapping):
        raise fields.wrong(f"rope_parameters[{kind!r}]", "an object", parameters)
    check_keys(parameters, row, fields.notes)
    return read_rotary(fields, row, parameters, outer=outer)


def _window(fields: Fields, row: Architecture, kind: Any) -> int | None:
    if row.window == "all" or (row.window == "types" and "sliding" in str(kind)):
        tokens = fields.whole_or("sliding_window", None, most=MOST_TOKENS)
        return tokens if tokens is None or row.causal else 2 * tokens + 1
    return None


def _gain_alone(rotary: Turning) -> float | None:
    """YaRN's gain on the softmax in a layer that does not turn (Mistral Large 4)."""
    for each in rotary:
        gain = each.build().frequencies.softmax_scale
        if gain != 1.0:
            return each.head_dim**-0.5 * gain
    return None


def _score_scale(fields: Fields, row: Architecture, rotary: Turning) -> float | None:
    if row.score_scale is None:
        return None
    given = row.score_scale
    scale = fields.number(given) if isinstance(given, str) else float(given)
    usual = bool(rotary) and scale == rotary[0].head_dim ** -0.5
    return None if usual else scale

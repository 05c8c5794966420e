"""Layer by layer: which turn, how, and how far they see."""

from collections.abc import Mapping
from typing import Any

from phasor.checkpoints.architectures import Architecture
from phasor.checkpoints.bias import read_bias
from phasor.checkpoints.fields import MOST_TOKENS, Fields, short
from phasor.checkpoints.limits import MAX_LAYERS, MOST_SIZE
from phasor.checkpoints.relative import read_relative
from phasor.checkpoints.rope import Turning, read_indexer, read_rotary
from phasor.checkpoints.scaling import check_keys
from phasor.checkpoints.temperature import read_temperature
from phasor.checkpoints.turning import turning_layers
from phasor.rotary.layout import Values
from phasor.spec import LayerSpec
from phasor.spec.sites import LayerEncodingSpec

_BARE = {"linear_attention", "conv", "mamba", "mamba2", "recurrent", "short_conv", "moe", "mlp"}


def read_layers(fields: Fields, row: Architecture) -> tuple[LayerSpec, ...]:
    """The layers of one stack."""
    count = fields.whole(row.layers, most=MAX_LAYERS)
    types = fields.list_of(row.types, count) or [None] * count
    turns = turning_layers(fields, row, types)
    indexed = _indexed_layers(fields, row, count)
    layers: list[LayerSpec] = []
    distinct: set[LayerEncodingSpec] = set()
    size = 0
    for at in range(count):
        if types[at] in _BARE or types[at] in row.bare:
            layers.append(LayerSpec())
            continue
        layers.append(
            _layer(fields.of_layer(at), row, types[at], at, turns=turns[at], indexed=indexed[at])
        )
        size += sum(map(_size, set(layers[-1].encodings) - distinct))
        distinct |= set(layers[-1].encodings)
        if size > MOST_SIZE:
            raise fields.notes.wrong(
                f"the heads of its layers differ, and have more than {MOST_SIZE} channels in all"
            )
    return tuple(layers)


def _size(encoding: LayerEncodingSpec) -> int:
    """How many numbers it takes to make an encoding, up to a factor."""
    return max(getattr(encoding, name, 0) for name in ("head_dim", "num_heads", "dim"))


def _indexed_layers(fields: Fields, row: Architecture, count: int) -> list[bool]:
    if row.indexer is None or "layers" not in row.indexer:
        return [row.indexer is not None] * count
    name, _, wanted = row.indexer["layers"].partition(":")
    return [entry == wanted for entry in fields.list_of(name, count) or [None] * count]


def _layer(
    fields: Fields, row: Architecture, kind: Any, at: int, *, turns: bool, indexed: bool
) -> LayerSpec:
    if row.sliding_names and "sliding" in str(kind):
        fields = fields.renamed({**fields.names, **row.sliding_names})
    encodings: list[LayerEncodingSpec] = list(read_relative(fields, row) or ())
    if row.mechanism in ("alibi", "t5"):
        encodings.append(read_bias(fields, row))
    rotary = _rotary(fields, row, kind, at) if turns and row.mechanism == "rotary" else ()
    encodings += [*rotary, *read_temperature(fields, row, turns=bool(rotary))]
    chunked = row.chunk is not None and "chunked" in str(kind)
    return LayerSpec(
        encodings=tuple(encodings),
        window=_window(fields, row, kind),
        chunk=fields.whole_or(row.chunk, None, most=MOST_TOKENS) if chunked and row.chunk else None,
        score_scale=_score_scale(fields, row, rotary)
        if rotary or not row.softmax_mscale
        else _gain_alone(_rotary(fields, row, kind, at)),
        values=_values(fields, row, turns=bool(rotary)),
        indexer=read_indexer(fields, row, rotary[0]) if indexed and rotary else None,
    )


def _rotary(fields: Fields, row: Architecture, kind: Any, at: int) -> Turning:
    outer = fields.get("rope_parameters", {})
    if not isinstance(outer, Mapping):
        raise fields.wrong("rope_parameters", "an object", outer)
    label = row.labels.get(str(kind), kind)
    parameters = outer.get(label, outer)
    if parameters is None:  # null stands for a layer type without position
        return ()
    if not isinstance(parameters, Mapping):
        raise fields.wrong(f"rope_parameters[{label!r}]", "an object", parameters)
    if row.scaled is not None and at not in fields.get(row.scaled, ()):
        parameters = {**parameters, "rope_type": "default"}
    elif not row.scales and parameters.get("rope_type", "default") != "default":
        kind = short(parameters["rope_type"])
        fields.notes.note(f"rope_type {kind} is ignored: this architecture scales nothing")
        parameters = {**parameters, "rope_type": "default"}
    else:
        check_keys(parameters, row, fields.notes)
    return read_rotary(fields, row, parameters, outer=outer, at=at)


def _window(fields: Fields, row: Architecture, kind: Any) -> int | None:
    if row.window == "all" or (row.window == "types" and "sliding" in str(kind)):
        tokens = fields.whole_or(row.window_name, None, most=MOST_TOKENS)
        if tokens is None or row.sides == 1:
            return tokens
        return 2 * tokens + (-1 if row.exclusive else 1)
    return None


def _values(fields: Fields, row: Architecture, *, turns: bool) -> Values:
    if not turns:
        return "still"
    if row.values.startswith("flag:"):
        return "turned" if fields.get(row.values.removeprefix("flag:")) else "still"
    return row.values  # type: ignore[return-value]  # the table has no other word


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
    if not isinstance(row.score_scale, str):
        scale = float(row.score_scale)
    elif row.score_scale.startswith("given:"):
        name = row.score_scale.removeprefix("given:")
        if fields.get(name) is None:
            return None
        scale = fields.number(name)
    elif row.score_scale.startswith("inverse:"):
        scale = 1 / fields.number(row.score_scale.removeprefix("inverse:"))
    elif row.score_scale.startswith("rsqrt"):
        rule, _, name = row.score_scale.partition(":")
        scale = (fields.number(name) / (2 if rule == "rsqrt_half" else 1)) ** -0.5
    else:
        scale = fields.number(row.score_scale)
    usual = bool(rotary) and scale == rotary[0].head_dim ** -0.5
    return None if usual else scale

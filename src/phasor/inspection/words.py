"""Encodings in words."""

import dataclasses
import math

import torch

from phasor.encodings.alibi import alibi_slopes
from phasor.spec import (
    ALiBiSpec,
    AxialSpec,
    DeBERTaSpec,
    ExplicitSpec,
    GeometricSpec,
    ImagePeriodsSpec,
    LayerSpec,
    LearnedSpec,
    ProportionalSpec,
    QueryTemperatureSpec,
    RelativeLogitsSpec,
    RotarySpec,
    ScoreTemperatureSpec,
    ShawSpec,
    SinusoidalSpec,
    SSMaxSpec,
    T5BiasSpec,
    TransformerXLSpec,
    UnevenRotarySpec,
)
from phasor.spec.frequencies import FrequencySpec
from phasor.spec.kinds import NAMES
from phasor.spec.sites import EmbeddingSpec, LayerEncodingSpec

_SHORT_LIST = 4


def number(value: float) -> str:
    """As people write it: 131,072; 1e+06 stays 1,000,000; four digits of a fraction."""
    if math.isinf(value):
        return "∞"
    if value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def layer_in_words(layer: LayerSpec, embedding: EmbeddingSpec | None) -> str:
    """All that a layer does, in a model with that `embedding`."""
    parts = [encoding_in_words(encoding) for encoding in layer.encodings]
    if not parts:
        parts = ["no position encoding (NoPE)" if embedding is None else "nothing of its own"]
    if layer.window is not None:
        parts.append(f"a window of {number(layer.window)} tokens")
    if layer.chunk is not None:
        parts.append(f"attention within chunks of {number(layer.chunk)} tokens")
    if layer.score_scale is not None:
        parts.append(f"scores times {number(layer.score_scale)}")
    if layer.values != "still":
        back = ", and the output turns back" if layer.values == "turned_back" else ""
        parts.append(f"values turn as keys do{back}")
    if layer.indexer is not None:
        parts.append(f"an indexer, which chooses tokens: {_indexer(layer.indexer, layer)}")
    return "; ".join(parts)


def encoding_in_words(encoding: LayerEncodingSpec | EmbeddingSpec) -> str:
    """One encoding, with every number that matters."""
    match encoding:
        case RotarySpec():
            return _rotary(encoding)
        case UnevenRotarySpec():
            return _uneven(encoding)
        case QueryTemperatureSpec():
            where = f"(position + {encoding.offset})" if encoding.offset else "position"
            if encoding.growth == "power":
                return (
                    f"queries times (1 + {where} / {number(encoding.original_seq_len)}) to the "
                    f"power of {number(encoding.coefficient)}"
                )
            return (
                f"queries times 1 + {number(encoding.coefficient)} ln(1 + floor({where} / "
                f"{number(encoding.original_seq_len)}))"
            )
        case SSMaxSpec():
            return (
                "queries times a learned slope times ln(position + 1), plus a learned bias, "
                f"for each of {encoding.num_heads} heads"
            )
        case ALiBiSpec():
            slopes = [encoding.scale * slope for slope in alibi_slopes(encoding.num_heads)]
            rounded = ", rounded to bfloat16" if encoding.precision == "bfloat16" else ""
            return (
                f"ALiBi: {encoding.num_heads} heads with slopes from {number(max(slopes))} to "
                f"{number(min(slopes))}{rounded}"
            )
        case T5BiasSpec():
            return (
                f"T5 bias: {encoding.num_buckets} learned buckets for {encoding.num_heads} heads, "
                f"one for all distances from {number(encoding.max_distance)} on, "
                f"{'both directions' if encoding.bidirectional else 'backwards'}, "
                f"{'one table for all layers' if encoding.shared else 'a table in each layer'}"
            )
        case ShawSpec():
            return (
                f"Shaw: a learned vector for each distance, up to {number(encoding.max_distance)} "
                f"back and {number(encoding.max_ahead)} ahead"
            )
        case TransformerXLSpec():
            return (
                f"Transformer-XL: a sinusoid of the distance, {number(encoding.dim)} channels, "
                f"{_base(encoding.base)}, projected by each of {encoding.num_heads} heads"
            )
        case DeBERTaSpec():
            buckets = encoding.num_buckets
            shared = "one each" if buckets is None else f"in {number(buckets)} buckets"
            return (
                f"DeBERTa: learned vectors of distances up to {number(encoding.max_distance)}, "
                f"{shared} in each direction, for queries and for keys"
            )
        case RelativeLogitsSpec():
            return (
                f"relative logits: each token mixes {number(encoding.rank)} learned profiles over "
                f"{number(encoding.extent)} distances"
            )
        case ScoreTemperatureSpec():
            return (
                f"scores times 1 + {number(encoding.coefficient)} ln(max(1, (position + 1) / "
                f"{number(encoding.original_seq_len)}))"
            )
        case LearnedSpec():
            offset = f", position 0 in row {encoding.offset}" if encoding.offset else ""
            return (
                f"learned: a table of {number(encoding.num_positions)} positions x "
                f"{number(encoding.dim)}{offset}"
            )
        case SinusoidalSpec():
            how = "sines and cosines alternate" if encoding.layout == "interleaved" else "in halves"
            how += ", cosines first" if encoding.first == "cosine" else ""
            offset = f", position 0 has those of {encoding.offset}" if encoding.offset else ""
            return (
                f"sinusoidal: {number(encoding.dim)} channels, {_base(encoding.base)}, {how}"
                f"{offset}"
            )


def scaling_in_words(rotary: RotarySpec) -> str:
    """The scaling and every number of it that is not its default."""
    scaling = rotary.scaling
    assert scaling is not None
    given = [
        f"{field.name} {_value(getattr(scaling, field.name))}"
        for field in dataclasses.fields(scaling)  # type: ignore[arg-type]
        if field.init and getattr(scaling, field.name) != field.default
    ]
    return f"{NAMES[type(scaling)]} ({', '.join(given)})" if given else NAMES[type(scaling)]


def _indexer(rotary: RotarySpec, layer: LayerSpec) -> str:
    """Its pairs; the rest as well, where that is not as in the layer's attention."""
    turning = rotary.build().at(1).frequencies
    mains = [each for each in layer.encodings if isinstance(each, RotarySpec)]
    if any(torch.equal(turning.inv_freq, m.build().at(1).frequencies.inv_freq) for m in mains):
        return f"{_which(rotary)}, by the same angles"
    return _rotary(rotary)


def _rotary(rotary: RotarySpec) -> str:
    parts = [f"rotary: {_which(rotary)}", _frequencies(rotary.frequencies)]
    if rotary.sections is not None:
        sizes = " + ".join(map(str, rotary.sections.sizes))
        parts.append(f"pairs shared by axes as {sizes}, {rotary.sections.order}")
    if rotary.scaling is not None:
        parts.append(f"scaled by {scaling_in_words(rotary)}")
    return ", ".join(parts)


def _which(rotary: RotarySpec) -> str:
    """Which channels turn, and which form a pair."""
    frequencies = rotary.frequencies.build()
    turning = frequencies.rotary_dim
    which = (
        f"all {rotary.head_dim} channels"
        if turning == rotary.head_dim
        else f"the {rotary.rotary_slice} {turning} of {rotary.head_dim} channels"
    )
    half = turning // 2
    pairing = f"i with i + {half}" if rotary.layout == "half" else "2i with 2i + 1"
    return f"{which} turn, {pairing}"


def _uneven(rotary: UnevenRotarySpec) -> str:
    half = rotary.frequencies.build().pairs
    pairing = f"i with i + {half}" if rotary.layout == "half" else "2i with 2i + 1"
    parts = [
        f"no rotation: {2 * half} of {rotary.head_dim} channels, {pairing}, of which the two turn "
        "by different angles",
        _frequencies(rotary.frequencies),
    ]
    if rotary.sections is not None:
        parts.append(f"axes share out the doubled table as {' + '.join(map(str, rotary.sections))}")
    return ", ".join(parts)


def _frequencies(rule: FrequencySpec) -> str:
    match rule:
        case GeometricSpec():
            return _base(rule.base)
        case ProportionalSpec():
            slower = f", {number(rule.factor)} times slower" if rule.factor != 1 else ""
            return (
                f"{_base(rule.base)} over the whole head, of which the fastest "
                f"{number(100 * rule.proportion)} % turn{slower}"
            )
        case AxialSpec():
            return f"{_base(rule.base)}, {rule.axes} axes" + ", divided" * rule.divided
        case ImagePeriodsSpec():
            return f"image periods up to {number(rule.base)} times the shortest"
        case ExplicitSpec():
            gain = rule.attention_scale
            return "frequencies of its own" + (f", cos and sin times {gain:.4g}" * (gain != 1))


def _base(base: float) -> str:
    return f"base {number(base)}"


def _value(value: object) -> str:
    if isinstance(value, tuple) and len(value) > _SHORT_LIST:
        return f"[{number(value[0])} ... {number(value[-1])}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return str(value).lower() if isinstance(value, bool) else str(value)

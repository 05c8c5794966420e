"""How llama.cpp forms the angles of a GGUF file's layers.

The rules are those of `load_hparams` in `src/llama-model.cpp`, of the constructor in
`src/llama-context.cpp` and of `ggml_rope_cache_init` in `ggml/src/ggml-cpu/ops.cpp`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phasor._read.fields import MOST_TOKENS, Fields, short
from phasor._read.gguf_models import GGUFModel
from phasor._read.notes import Notes
from phasor.rotary.layout import Layout
from phasor.rotary.rules import FrequencySpec
from phasor.rotary.scaling import (
    LengthScaling,
    Scaling,
    linear,
    longrope,
    stretch,
    yarn,
)
from phasor.rotary.scaling.elsewhere import GGUF_TYPES
from phasor.rotary.scaling.searched import FREQS, LONG, SHORT
from phasor.rotary.scaling.yarn_ramp import mscale_gain
from phasor.spec import GeometricSpec, ProportionalSpec, RotarySpec, SectionsSpec

_KINDS = ("none", *GGUF_TYPES)
_STILL = 1e29
"""A pair whose frequency is divided by more than this does not turn; Gemma 4 has 1e30."""


@dataclass(frozen=True, kw_only=True)
class Turns:
    """How all layers of a file are scaled.

    Attributes:
        kind: `rope.scaling.type`.
        factor: By which positions shrink; 1 for none.
        original: `rope.scaling.original_context_length`, for YaRN and LongRoPE.
        gain: On cos and sin.
        log_multiplier: What DeepSeek calls mscale_all_dim; 0 without.
        betas: Of YaRN's ramp, by its arguments, where they are read.
        factors: The tensors of factors that are read.
    """

    kind: str
    factor: float
    original: int
    gain: float
    log_multiplier: float
    betas: Mapping[str, Any]
    factors: Mapping[str, tuple[float, ...]]

    def softmax_gain(self) -> float:
        """On the softmax scale, where heads are DeepSeek's (`src/models/deepseek2.cpp`)."""
        spread = 0.1 * math.log(self.factor)
        gain = self.gain if self.kind == "yarn" else self.gain * (1 + spread)
        return (gain * (1 + self.log_multiplier * spread)) ** 2


def read_turns(fields: Fields, row: GGUFModel, model: str, tensors: Mapping[str, Any]) -> Turns:
    """The scaling that a file states.

    Raises:
        ArgumentError: A type that llama.cpp does not know, or a factor that cannot be; if strict,
            tensors of factors that it does not read.
    """
    notes = fields.notes
    kind = fields.get("rope.scaling.type", "linear")  # without a type it is linear
    if kind not in _KINDS:
        raise notes.wrong(
            f"rope.scaling.type {short(kind)} is not known; there are {', '.join(_KINDS)}"
        )
    legacy = fields.number("rope.scale_linear", 0.0)  # what the factor was called first
    factor = fields.number("rope.scaling.factor", legacy) or 1.0
    factor = 1.0 if kind == "none" else factor
    if not 0 < factor < math.inf:
        raise fields.wrong("rope.scaling.factor", "a positive number", factor)
    multiplier = 0.0
    if row.log_multiplier is not None:
        given = fields.number("rope.scaling.yarn_log_multiplier", 0.0)
        multiplier = round(given / row.log_multiplier, 6)  # a tenth has no float32
    gain = fields.number("rope.scaling.attn_factor", 1.0)
    if kind == "yarn":
        gain *= _yarn_gain(factor, multiplier, same=row.mscale_is_multiplier)
        stated = fields.get("rope.scaling.yarn_attn_factor")
        if stated is not None and not math.isclose(stated, gain, rel_tol=1e-6):
            notes.doubt(
                f"rope.scaling.yarn_attn_factor {short(stated)} is not read by llama.cpp for "
                f"{model}, which takes {gain:.6g}"
            )
    factors = _factors(row, kind, model, tensors, notes)
    length = fields.whole_or("context_length", None, most=MOST_TOKENS)
    name = "rope.scaling.original_context_length"
    original = fields.whole_or(name, length, most=MOST_TOKENS)
    if original is None and (kind == "yarn" or LONG in factors):
        raise fields.missing(name)
    return Turns(
        kind=kind,
        factor=factor,
        original=original or 0,
        gain=gain,
        log_multiplier=multiplier,
        betas={
            yarn.gguf_keys[key]: fields.number(key, usual)
            for key, usual in yarn.gguf_defaults().items()
            if row.yarn_betas
        },
        factors=factors,
    )


def read_rotation(fields: Fields, row: GGUFModel, turns: Turns, *, windowed: bool) -> RotarySpec:
    """The rotation of layers with a window, or of those without."""
    sections = _sections(fields, row)
    layout: Layout = "half" if sections is not None else row.layout or "half"
    head_dim = head_dim_of(fields, row, windowed=windowed)
    # Where heads differ and widths are not stated, llama.cpp takes that of heads without a window.
    width = fields.whole_or("rope.dimension_count", None) or _dense_head_dim(fields)
    own = row.windows if windowed else None
    base = fields.number("rope.freq_base", 10_000.0)
    if own is not None:
        width = fields.whole_or("rope.dimension_count_swa", None) or width
        base = fields.number("rope.freq_base_swa", base if own.base is None else own.base)
    frequencies: FrequencySpec = GeometricSpec(rotary_dim=width, base=base)
    factors = turns.factors.get(FREQS)
    if windowed and row.factors_of == "dense":
        factors = None
    if factors is not None and (turning := _first_alone(factors)) is not None:
        frequencies = ProportionalSpec(head_dim=width, proportion=2 * turning / width, base=base)
        factors = None
    scaling = None
    if own is None or own.scaled:
        scaling = _scaling(turns, factors, width // 2, row, fields.notes)
    elif own.base is not None and turns.gain != 1:
        fields.notes.doubt(
            f"a gain of {turns.gain:.6g} on cos and sin: that of layers with a window is not known"
        )
    return RotarySpec(
        head_dim=head_dim,
        frequencies=frequencies,
        scaling=scaling,
        sections=sections,
        layout=layout,
        rotary_slice="trailing" if row.trailing and width < head_dim else "leading",
    )


def head_dim_of(fields: Fields, row: GGUFModel, *, windowed: bool = False) -> int:
    """Channels of each query and key head."""
    usual = _dense_head_dim(fields)
    if windowed:
        return fields.whole_or("attention.key_length_swa", None) or usual
    if row.mla:  # where key_length is that of the compressed heads
        return fields.whole_or("attention.key_length_mla", None) or usual
    return usual


def _dense_head_dim(fields: Fields) -> int:
    given = fields.whole_or("attention.key_length", None)
    if given is not None:
        return given
    heads = fields.get("attention.head_count")
    if isinstance(heads, list):  # one for each layer; those without attention have none
        heads = next((each for each in heads if each), None)
        fields = Fields({**fields.config, "attention.head_count": heads}, fields.notes)
    return fields.whole("embedding_length") // fields.whole("attention.head_count")


def _scaling(
    turns: Turns,
    factors: tuple[float, ...] | None,
    pairs: int,
    row: GGUFModel,
    notes: Notes,
) -> Scaling | LengthScaling | None:
    if turns.kind == "yarn":
        if turns.factors:
            notes.doubt(f"{next(iter(turns.factors))} beside rope.scaling.type 'yarn' is not read")
        mscale = turns.log_multiplier if row.mla and turns.gain == 1 else 0.0
        usual = math.isclose(turns.gain, mscale_gain(turns.factor), rel_tol=1e-9)
        return yarn(
            factor=turns.factor,
            original_seq_len=turns.original,
            **turns.betas,
            attention_factor=None if usual or mscale else turns.gain,
            mscale=mscale or None,
            mscale_all_dim=mscale or None,
            scale_softmax=bool(mscale),
        )
    if LONG in turns.factors and factors is None:
        return longrope(
            short_factor=[turns.factor * each for each in turns.factors[SHORT]],
            long_factor=[turns.factor * each for each in turns.factors[LONG]],
            original_seq_len=turns.original,
            short_attention_factor=turns.gain,
            long_attention_factor=turns.gain,
        )
    if factors is not None or turns.gain != 1 or turns.factor < 1:
        return stretch(
            factors=tuple(turns.factor * each for each in factors or (1.0,) * pairs),
            attention_factor=turns.gain,
        )
    return None if turns.factor == 1 else linear(factor=turns.factor)


def _factors(
    row: GGUFModel, kind: str, model: str, tensors: Mapping[str, Any], notes: Notes
) -> dict[str, tuple[float, ...]]:
    by_kind = "long if" in row.factors
    long = "long" in row.factors or (by_kind and kind == "longrope")
    freqs = "freqs" in row.factors and not (by_kind and long)
    read = [FREQS] * freqs + [SHORT, LONG] * long
    found = {name: tuple(tensors[name]) for name in (FREQS, SHORT, LONG) if name in tensors}
    for name in found:
        if name not in read:
            notes.doubt(f"the tensor {name} is not read by llama.cpp for {model}")
    found = {name: values for name, values in found.items() if name in read}
    if (SHORT in found) != (LONG in found):
        raise notes.wrong(f"there must be both {SHORT} and {LONG}, or none of them")
    return found


def _sections(fields: Fields, row: GGUFModel) -> SectionsSpec | None:
    if row.sections is None:
        return None
    name = "rope.dimension_sections"
    sizes = fields.get(name)
    if sizes is None and row.sections_needed:
        raise fields.missing(name)
    if sizes is None:
        return None
    whole = isinstance(sizes, list) and len(sizes) >= 3 and all(type(n) is int for n in sizes)
    if not whole or any(size < 0 for size in sizes) or any(sizes[3:]):
        raise fields.wrong(name, "three whole numbers, and a fourth that is 0", sizes)
    if not row.sections_needed and not (sizes[0] and sizes[1]):
        return None
    time, height, width = sizes[:3]
    pairs = time + height + width
    if row.sections == "interleaved":
        left = [
            pair
            for pair in range(pairs)
            if pair % 3 and pair >= 3 * (time, height, width)[pair % 3]
        ]
        if left:
            fields.notes.note(
                f"{name} {sizes[:3]}: llama.cpp turns the pairs {left} by a fourth position, which "
                "is 0 in text; the spec turns them by the first, as the model's authors do"
            )
    return SectionsSpec(sizes=(time, height, width), order=row.sections)


def _first_alone(factors: tuple[float, ...]) -> int | None:
    """How many pairs turn, where those are the first and the others stand still."""
    turning = sum(factor < _STILL for factor in factors)
    if turning == len(factors) or factors[:turning] != (1.0,) * turning:
        return None
    return turning


def _yarn_gain(factor: float, multiplier: float, *, same: bool) -> float:
    if not multiplier:
        return mscale_gain(factor)
    mscale = multiplier if same else 1.0
    return mscale_gain(factor, mscale) / mscale_gain(factor, multiplier)

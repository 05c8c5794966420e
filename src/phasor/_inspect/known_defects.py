"""What goes wrong with an encoding in software that people use: by what the encoding is."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from phasor.rotary.scaling import DynamicNTK, Llama3, LongRoPE, YaRN
from phasor.spec import (
    ALiBiSpec,
    GeometricSpec,
    ImagePeriodsSpec,
    LearnedSpec,
    PositionSpec,
    ProportionalSpec,
    RotarySpec,
)

_DEFAULT_BASE = 10_000.0


@dataclass(frozen=True)
class Defect:
    """A known one: whom it hits, what happens, who reported it."""

    code: str
    hits: Callable[[RotarySpec, PositionSpec], bool]
    text: str
    references: tuple[str, ...]


def _yarn(rotary: RotarySpec) -> YaRN | None:
    return rotary.scaling if isinstance(rotary.scaling, YaRN) else None


def _factor_is_not_the_ratio(rotary: RotarySpec, spec: PositionSpec) -> bool:
    yarn = _yarn(rotary)
    if yarn is None or spec.max_seq_len is None:
        return False
    return not math.isclose(yarn.factor, spec.max_seq_len / yarn.original_seq_len, rel_tol=1e-3)


def _equal_gains(rotary: RotarySpec, spec: PositionSpec) -> bool:
    yarn = _yarn(rotary)
    return yarn is not None and bool(yarn.mscale) and yarn.mscale == yarn.mscale_all_dim


def _long_against_base(rotary: RotarySpec, spec: PositionSpec) -> bool:
    yarn, rule = _yarn(rotary), rotary.frequencies
    return (
        yarn is not None
        and isinstance(rule, GeometricSpec)
        and yarn.original_seq_len > 2 * math.pi * rule.base
    )


def _is_partial(rotary: RotarySpec, spec: PositionSpec) -> bool:
    rule = rotary.frequencies
    return (
        isinstance(rule, GeometricSpec)
        and rule.rotary_dim < rotary.head_dim
        and rotary.rotary_slice == "leading"
    )


def _scaled_in_some_layers(rotary: RotarySpec, spec: PositionSpec) -> bool:
    others = {
        encoding.scaling
        for layer in spec.layers
        for encoding in layer.encodings
        if isinstance(encoding, RotarySpec)
    }
    return rotary.scaling is not None and len(others) > 1


DEFECTS = (
    Defect(
        "scaling-ignored",
        lambda rotary, spec: isinstance(rotary.scaling, Llama3 | YaRN),
        "Replacements of the rotary module have dropped the scaling, and trainers have taken "
        "another factor, without a word: long inputs then become nonsense. Compare long prompts "
        "when the code changes.",
        ("unslothai/unsloth#2405", "NVIDIA/Megatron-LM#6305"),
    ),
    Defect(
        "yarn-factor-not-the-ratio",
        _factor_is_not_the_ratio,
        "The factor of YaRN is not max_seq_len over original_seq_len; transformers 4 took that "
        "ratio instead of the factor.",
        ("huggingface/transformers#38224",),
    ),
    Defect(
        "attention-factor-dropped",
        lambda rotary, spec: (
            getattr(rotary.scaling, "attention_factor", None) is not None
            and isinstance(rotary.scaling, YaRN)
        ),
        "The attention factor is stated, and engines have dropped it and computed their own.",
        ("vllm-project/vllm#46280", "ml-explore/mlx-lm#1507"),
    ),
    Defect(
        "mscales-cancel",
        _equal_gains,
        "mscale equals mscale_all_dim: on cos and sin they cancel to 1, where engines that read "
        "neither have applied YaRN's usual gain.",
        ("vllm-project/vllm#48623", "sgl-project/sglang#22711"),
    ),
    Defect(
        "softmax-gain",
        lambda rotary, spec: (yarn := _yarn(rotary)) is not None and yarn.scale_softmax,
        "The gain is on the softmax, squared, and no config states it; engines have left it out, "
        "which is right at position 0 only.",
        ("huggingface/transformers#47435",),
    ),
    Defect(
        "yarn-not-truncated",
        lambda rotary, spec: (yarn := _yarn(rotary)) is not None and not yarn.truncate,
        "The ramp of YaRN is not rounded to whole pairs; engines that do not know `truncate` turn "
        "pairs up to 1.8 times as fast as they should.",
        ("ml-explore/mlx-lm, mlx_lm/models/rope_utils.py", "allenai/OLMo-core, nn/rope.py"),
    ),
    Defect(
        "yarn-clamp",
        _long_against_base,
        "The original length is more than 2 pi times the base: here implementations cut off the "
        "ramp at different pairs, which triples some frequencies.",
        ("allenai/OLMo-core, nn/rope.py", "Lightning-AI/litgpt, litgpt/model.py"),
    ),
    Defect(
        "changes-with-length",
        lambda rotary, spec: isinstance(rotary.scaling, DynamicNTK),
        "Frequencies change as the sequence grows, and keys in a cache keep those of when they "
        "were made: decoding is not prefill in transformers and most engines. phasor.rerotate "
        "turns cached keys over.",
        ("huggingface/transformers#25104", "huggingface/transformers#27227"),
    ),
    Defect(
        "switches-with-length",
        lambda rotary, spec: isinstance(rotary.scaling, LongRoPE),
        "Past the original length another list of factors holds. Engines switch by forward pass, "
        "by batch or by the configured maximum, and cached keys of one list do not fit the other.",
        ("vllm-project/vllm#27414", "ggml-org/llama.cpp#24823", "huggingface/transformers#33129"),
    ),
    Defect(
        "partial-rotary",
        _is_partial,
        "Only a part of each head turns. Code that ignores partial_rotary_factor turns all of it, "
        "or takes exponents over the whole head, and no shape shows it.",
        ("huggingface/transformers#48486", "AI-Hypercomputer/maxtext#4616"),
    ),
    Defect(
        "proportional-rotary",
        lambda rotary, spec: isinstance(rotary.frequencies, ProportionalSpec),
        "Pairs span the whole head though a part of them turns. Other code has used the "
        "right frequencies with the wrong pairs, which checks of frequencies pass.",
        ("NVIDIA-NeMo/Megatron-Bridge#4195",),
    ),
    Defect(
        "scaled-in-some-layers",
        _scaled_in_some_layers,
        "Layers differ in their scaling; code with one rotation for all of them has left it out.",
        ("Blaizzy/mlx-vlm#1709",),
    ),
)


def unlike_layers(spec: PositionSpec) -> bool:
    """Whether some layers turn and others have no encoding at all."""
    kinds = {any(isinstance(e, RotarySpec) for e in layer.encodings) for layer in spec.layers}
    return len(kinds) == 2


def indexer_turns_otherwise(spec: PositionSpec) -> bool:
    """Whether the indexer of some layer pairs other channels than its attention does."""
    return any(
        layer.indexer is not None
        and isinstance(main, RotarySpec)
        and (layer.indexer.layout, layer.indexer.rotary_slice) != (main.layout, main.rotary_slice)
        for layer in spec.layers
        for main in layer.encodings
    )


def alibi_is_uneven(spec: PositionSpec) -> bool:
    """Whether ALiBi has a number of heads that is no power of two."""
    return any(
        isinstance(encoding, ALiBiSpec) and encoding.num_heads & (encoding.num_heads - 1)
        for layer in spec.layers
        for encoding in layer.encodings
    )


def is_absolute(spec: PositionSpec) -> bool:
    """Whether the position of a token of text is looked up in a table.

    Those whose tables are of the patches of an image state no longest sequence.
    """
    return isinstance(spec.embedding, LearnedSpec) and spec.max_seq_len is not None


def base_of_its_own(rotary: RotarySpec) -> float | None:
    """The base, if it is not what everybody assumes of text."""
    of_text = not isinstance(rotary.frequencies, ImagePeriodsSpec)
    base = getattr(rotary.frequencies, "base", None) if of_text else None
    return None if base == _DEFAULT_BASE else base

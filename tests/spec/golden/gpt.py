"""The GPTs: learned tables first, rotary from GPT-J on."""

from spec.golden.layer import rotary_layer

from phasor.rotary.scaling import yarn
from phasor.spec import LearnedSpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def gpt_2() -> PositionSpec:
    """GPT-2 124M: a learned table.

    Source:
        Config of `openai-community/gpt2`, which is transformers' `GPT2Config`.
    """
    return PositionSpec(
        model="GPT-2",
        embedding=LearnedSpec(num_positions=1024, dim=768),
        layers=(LayerSpec(),) * 12,
        max_seq_len=1024,
    )


def gpt_3() -> PositionSpec:
    """GPT-3 175B: a learned table.

    Every other layer attends to a band whose width was not published; it is not stated here.

    Source:
        Brown et al. 2020, arXiv:2005.14165, section 2.1 and table 2.1; the table is GPT-2's, longer
        and wider. The weights are not public.
    """
    return PositionSpec(
        model="GPT-3 175B",
        embedding=LearnedSpec(num_positions=2048, dim=12_288),
        layers=(LayerSpec(),) * 96,
        max_seq_len=2048,
    )


def gpt_j() -> PositionSpec:
    """GPT-J 6B: a quarter of each head turns, neighbours in pairs.

    Source:
        Config of `EleutherAI/gpt-j-6b`, which is transformers' `GPTJConfig`; the base is in the
        code alone.
    """
    layer = rotary_layer(256, rotary_dim=64, layout="interleaved")
    return PositionSpec(model="GPT-J 6B", layers=(layer,) * 28, max_seq_len=2048)


def gpt_neox() -> PositionSpec:
    """GPT-NeoX 20B: a quarter of each head turns, halves in pairs.

    Source:
        Config of `EleutherAI/gpt-neox-20b`; Black et al. 2022, arXiv:2204.06745.
    """
    layer = rotary_layer(96, rotary_dim=24)
    return PositionSpec(model="GPT-NeoX 20B", layers=(layer,) * 44, max_seq_len=2048)


def gpt_oss() -> PositionSpec:
    """gpt-oss 20b: every other layer has a window; YaRN by 32, its ramp not rounded to whole pairs.

    Source:
        Config of `openai/gpt-oss-20b`.
    """
    scaling = yarn(factor=32.0, original_seq_len=4096, truncate=False)
    local = rotary_layer(64, base=150_000.0, scaling=scaling, window=128)
    everywhere = rotary_layer(64, base=150_000.0, scaling=scaling)
    return PositionSpec(model="gpt-oss 20b", layers=(local, everywhere) * 12, max_seq_len=131_072)

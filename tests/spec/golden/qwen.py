"""Qwen: text, and text with images."""

from spec.golden.layer import rotary_layer

from phasor.rotary.rules import AxialSpec, GeometricSpec, SectionsSpec
from phasor.rotary.scaling import yarn
from phasor.spec import RotarySpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def qwen_2() -> PositionSpec:
    """Qwen2 7B Instruct: a base of 1e6; the window in its config is switched off.

    Source:
        Config of `Qwen/Qwen2-7B-Instruct`.
    """
    layer = rotary_layer(128, base=1_000_000.0)
    return PositionSpec(model="Qwen2 7B", layers=(layer,) * 28, max_seq_len=32_768)


def qwen_2_5() -> PositionSpec:
    """Qwen2.5 7B Instruct: as Qwen2.

    Source:
        Config of `Qwen/Qwen2.5-7B-Instruct`.
    """
    layer = rotary_layer(128, base=1_000_000.0)
    return PositionSpec(model="Qwen2.5 7B", layers=(layer,) * 28, max_seq_len=32_768)


def qwen_2_5_yarn() -> PositionSpec:
    """Qwen2.5 7B Instruct with YaRN by 4, which its model card says to add for long texts.

    Source:
        Model card of `Qwen/Qwen2.5-7B-Instruct`, "Processing Long Texts".
    """
    scaling = yarn(factor=4.0, original_seq_len=32_768)
    layer = rotary_layer(128, base=1_000_000.0, scaling=scaling)
    return PositionSpec(model="Qwen2.5 7B with YaRN", layers=(layer,) * 28, max_seq_len=131_072)


def qwen_3() -> PositionSpec:
    """Qwen3 8B.

    Source:
        Config of `Qwen/Qwen3-8B`.
    """
    layer = rotary_layer(128, base=1_000_000.0)
    return PositionSpec(model="Qwen3 8B", layers=(layer,) * 36, max_seq_len=40_960)


def qwen_2_vl() -> PositionSpec:
    """Qwen2-VL 7B: time, height and width turn neighbouring pairs; patches have two axes.

    Text has the same position on all three axes, so on text it is Qwen2.

    Source:
        Config of `Qwen/Qwen2-VL-7B-Instruct`; Wang et al. 2024, arXiv:2409.12191, section 2.1.
    """
    text = RotarySpec(
        head_dim=128,
        frequencies=GeometricSpec(rotary_dim=128, base=1_000_000.0),
        sections=SectionsSpec(sizes=(16, 24, 24), order="chunked"),
    )
    patches = RotarySpec(head_dim=80, frequencies=AxialSpec(rotary_dim=80, axes=2))
    vision = PositionSpec(
        model="vision", layers=(LayerSpec(encodings=(patches,)),) * 32, causal=False
    )
    return PositionSpec(
        model="Qwen2-VL 7B",
        layers=(LayerSpec(encodings=(text,)),) * 28,
        max_seq_len=32_768,
        towers=(vision,),
    )


def qwen_3_vl() -> PositionSpec:
    """Qwen3-VL 4B, text: time, height and width take turns from the fastest pair on.

    Its vision tower is left out: beside rotary it adds a learned table of 48 by 48 positions,
    interpolated to the size of the image, which a spec cannot state.

    Source:
        Config of `Qwen/Qwen3-VL-4B-Instruct`, as MaxText's checkpoint converter states it; Huang et
        al. 2025, arXiv:2510.23095.
    """
    text = RotarySpec(
        head_dim=128,
        frequencies=GeometricSpec(rotary_dim=128, base=5_000_000.0),
        sections=SectionsSpec(sizes=(24, 20, 20), order="interleaved"),
    )
    layer = LayerSpec(encodings=(text,))
    return PositionSpec(model="Qwen3-VL 4B", layers=(layer,) * 36, max_seq_len=262_144)

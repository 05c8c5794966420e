"""DeepSeek: a head is put together from a part that stands still and one that turns."""

from dataclasses import replace

from phasor.rotary.rules import GeometricSpec
from phasor.rotary.scaling import YaRN, yarn
from phasor.spec import RotarySpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def _multi_head_latent_layer(scaling: YaRN) -> LayerSpec:
    rotary = RotarySpec(
        head_dim=128 + 64,
        frequencies=GeometricSpec(rotary_dim=64),
        scaling=scaling,
        layout="interleaved",
        rotary_slice="trailing",
    )
    return LayerSpec(encodings=(rotary,))


def deepseek_v2() -> PositionSpec:
    """DeepSeek V2 236B: YaRN by 40, whose gain is on the softmax instead of on cos and sin.

    Source:
        Config of `deepseek-ai/DeepSeek-V2` and its published code, which multiplies the scale of
        the softmax; arXiv:2405.04434.
    """
    scaling = yarn(
        factor=40.0, original_seq_len=4096, mscale=0.707, mscale_all_dim=0.707, scale_softmax=True
    )
    return PositionSpec(
        model="DeepSeek V2",
        layers=(_multi_head_latent_layer(scaling),) * 60,
        max_seq_len=163_840,
    )


def deepseek_v3() -> PositionSpec:
    """DeepSeek V3 671B: as V2 with a larger gain.

    The code takes neighbours as pairs and returns them in two halves, the same for query and key;
    their product is that of this spec.

    Source:
        Config of `deepseek-ai/DeepSeek-V3`; arXiv:2412.19437.
    """
    scaling = yarn(
        factor=40.0, original_seq_len=4096, mscale=1.0, mscale_all_dim=1.0, scale_softmax=True
    )
    return PositionSpec(
        model="DeepSeek V3",
        layers=(_multi_head_latent_layer(scaling),) * 61,
        max_seq_len=163_840,
    )


def deepseek_v3_2() -> PositionSpec:
    """DeepSeek V3.2: as V3, with an indexer in each layer that turns otherwise than attention.

    Its pairs lie half of what turns apart, and stand before the channels that do not turn.

    Source:
        Config of `deepseek-ai/DeepSeek-V3.2`, and its published code as corrected on 2025-11-17.
    """
    attention = deepseek_v3()
    (layer,) = set(attention.layers)
    indexer = RotarySpec(
        head_dim=128,
        frequencies=GeometricSpec(rotary_dim=64),
        scaling=yarn(factor=40.0, original_seq_len=4096, mscale=1.0, mscale_all_dim=1.0),
    )
    layers = (replace(layer, indexer=indexer),) * 61
    return replace(attention, model="DeepSeek V3.2", layers=layers)

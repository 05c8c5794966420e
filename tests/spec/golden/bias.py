"""Models that add position to the scores, and Falcon, which came in both kinds."""

from spec.golden.layer import rotary_layer

from phasor.spec import ALiBiSpec, T5BiasSpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def bloom() -> PositionSpec:
    """BLOOM 176B: ALiBi with 112 heads, which is no power of two.

    Source:
        Config of `bigscience/bloom`; Le Scao et al. 2022, arXiv:2211.05100.
    """
    layer = LayerSpec(encodings=(ALiBiSpec(num_heads=112),))
    return PositionSpec(model="BLOOM 176B", layers=(layer,) * 70, max_seq_len=2048)


def mpt() -> PositionSpec:
    """MPT 7B: ALiBi; its `alibi_bias_max` of 8 is the paper's constant.

    Source:
        Config of `mosaicml/mpt-7b`.
    """
    layer = LayerSpec(encodings=(ALiBiSpec(num_heads=32),))
    return PositionSpec(model="MPT 7B", layers=(layer,) * 32, max_seq_len=2048)


def falcon_rw() -> PositionSpec:
    """Falcon RW 1B: ALiBi in bfloat16, added before the scores are divided by the root of 64.

    Source:
        Config of `tiiuae/falcon-rw-1b`, and its published code.
    """
    alibi = ALiBiSpec(num_heads=32, scale=64**-0.5, precision="bfloat16")
    layer = LayerSpec(encodings=(alibi,))
    return PositionSpec(model="Falcon RW 1B", layers=(layer,) * 24, max_seq_len=2048)


def falcon() -> PositionSpec:
    """Falcon 7B: rotary.

    Source:
        Config of `tiiuae/falcon-7b`.
    """
    return PositionSpec(model="Falcon 7B", layers=(rotary_layer(64),) * 32, max_seq_len=2048)


def t5() -> PositionSpec:
    """T5 base, decoder, with its encoder as a tower: a learned number for each bucket and head.

    Scores are not scaled. Each stack has one table, in its first layer; attention from decoder to
    encoder has none.

    Source:
        Config of `google-t5/t5-base`; Raffel et al. 2019, arXiv:1910.10683, section 2.1. 128 is in
        the code alone.
    """
    encoder = LayerSpec(encodings=(T5BiasSpec(num_heads=12, bidirectional=True),), score_scale=1.0)
    decoder = LayerSpec(encodings=(T5BiasSpec(num_heads=12),), score_scale=1.0)
    return PositionSpec(
        model="T5 base",
        layers=(decoder,) * 12,
        max_seq_len=512,
        towers=(
            PositionSpec(model="encoder", layers=(encoder,) * 12, causal=False, max_seq_len=512),
        ),
    )

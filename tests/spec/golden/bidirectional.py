"""Encoders, and the first Transformer."""

from spec.golden.layer import rotary_layer

from phasor.spec import LearnedSpec, SinusoidalSpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def attention_is_all_you_need() -> PositionSpec:
    """The base model of 2017, decoder, with its encoder as a tower.

    The embedding is multiplied by the root of 512 before position is added. The authors' code
    (tensor2tensor) has all sines before all cosines and divides exponents by one less; this is the
    paper's formula.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5 and table 3.
    """
    sinusoidal = SinusoidalSpec(dim=512)
    layers = (LayerSpec(),) * 6
    encoder = PositionSpec(model="encoder", embedding=sinusoidal, layers=layers, causal=False)
    return PositionSpec(
        model="Attention Is All You Need, base",
        embedding=sinusoidal,
        layers=layers,
        towers=(encoder,),
    )


def bert() -> PositionSpec:
    """BERT base: a learned table.

    Source:
        Config of `google-bert/bert-base-uncased`; Devlin et al. 2018, arXiv:1810.04805.
    """
    return PositionSpec(
        model="BERT base",
        embedding=LearnedSpec(num_positions=512, dim=768),
        layers=(LayerSpec(),) * 12,
        causal=False,
        max_seq_len=512,
    )


def modernbert() -> PositionSpec:
    """ModernBERT base: every third layer sees all, from the first on, and turns more slowly.

    Its `local_attention` of 128 is 64 tokens to either side; with the query itself they are 129.

    Source:
        Config of `answerdotai/ModernBERT-base`; Warner et al. 2024, arXiv:2412.13663.
    """
    everywhere = rotary_layer(64, base=160_000.0)
    local = rotary_layer(64, window=129)
    return PositionSpec(
        model="ModernBERT base",
        layers=(everywhere, local, local) * 7 + (everywhere,),
        causal=False,
        max_seq_len=8192,
    )

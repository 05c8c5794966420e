"""Models that learn vectors of distances, in each layer its own."""

from phasor.spec import DeBERTaSpec, ShawSpec, TransformerXLSpec
from phasor.spec.position_spec import LayerSpec, PositionSpec


def xlnet() -> PositionSpec:
    """XLNet large: Transformer-XL, in both directions.

    Source:
        Config of `xlnet/xlnet-large-cased`; Yang et al. 2019, arXiv:1906.08237.
    """
    layer = LayerSpec(encodings=(TransformerXLSpec(dim=1024, head_dim=64, num_heads=16),))
    return PositionSpec(model="XLNet large", layers=(layer,) * 24, causal=False)


def deberta_v3() -> PositionSpec:
    """DeBERTa V3 base: 256 buckets in each direction, and nothing at the embedding.

    Source:
        Config of `microsoft/deberta-v3-base`; He et al. 2021, arXiv:2111.09543.
    """
    deberta = DeBERTaSpec(dim=768, head_dim=64, num_heads=12, max_distance=512, num_buckets=256)
    return PositionSpec(
        model="DeBERTa V3 base",
        layers=(LayerSpec(encodings=(deberta,)),) * 12,
        causal=False,
        max_seq_len=512,
    )


def w2v_bert_2() -> PositionSpec:
    """W2v-BERT 2.0: Shaw's vectors, far more of them back than ahead.

    Source:
        Config of `facebook/w2v-bert-2.0`; Seamless Communication 2023, arXiv:2312.05187.
    """
    layer = LayerSpec(encodings=(ShawSpec(head_dim=64, max_distance=64, max_ahead=8),))
    return PositionSpec(model="W2v-BERT 2.0", layers=(layer,) * 24, causal=False)

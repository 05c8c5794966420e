"""Learned vectors of distances, and V-JEPA 2: golden specs are what their configs are read to.

That models of these kinds do what is read, tests/checkpoints/test_relative.py and test_uneven.py
show.
"""

from typing import Any

import pytest
from spec.golden import GOLDEN

import phasor
from phasor.spec import PositionSpec

PUBLISHED: dict[str, dict[str, Any]] = {
    "xlnet-large": {
        "model_type": "xlnet",
        "attn_type": "bi",
        "bi_data": False,
        "clamp_len": -1,
        "d_head": 64,
        "d_model": 1024,
        "n_head": 16,
        "n_layer": 24,
    },
    "deberta-v3-base": {
        "model_type": "deberta-v2",
        "hidden_size": 768,
        "max_position_embeddings": 512,
        "max_relative_positions": -1,
        "norm_rel_ebd": "layer_norm",
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "position_buckets": 256,
        "relative_attention": True,
        "share_att_key": True,
    },
    "w2v-bert-2.0": {
        "model_type": "wav2vec2-bert",
        "hidden_size": 1024,
        "left_max_position_embeddings": 64,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "position_embeddings_type": "relative_key",
        "right_max_position_embeddings": 8,
    },
    "vjepa2-vit-l": {
        "model_type": "vjepa2",
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "pred_hidden_size": 384,
        "pred_num_attention_heads": 12,
        "pred_num_hidden_layers": 12,
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_is_read_to_its_golden_spec(name: str) -> None:
    found = phasor.read(PUBLISHED[name])
    assert parts(found) == parts(GOLDEN[name]())


def parts(spec: PositionSpec) -> tuple[Any, ...]:
    """All but the name."""
    return spec.layers, spec.embedding, spec.causal, spec.max_seq_len, spec.towers

"""Queries that grow with their position: whole models beside their specs."""

from pathlib import Path

import torch
from checkpoints.tiny import BATCH, SEQ, subjects
from torch import Tensor
from torch.testing import assert_close

from phasor._read import examine
from phasor.spec import QueryTemperatureSpec, RotarySpec, SSMaxSpec

SUBJECTS = subjects()


def test_beam_grows_in_the_layers_that_do_not_turn() -> None:
    from transformers.models.beam.modeling_beam import compute_attention_scaling

    config, _ = SUBJECTS["BeamConfig"].build()
    layers = examine(config).spec.layers
    (at,) = [at for at, kind in enumerate(config.layer_types) if kind == "full_attention"][:1]
    (stated,) = layers[at].encodings
    assert isinstance(stated, QueryTemperatureSpec)
    positions = torch.tensor([0, 1, 2046, 2047, 99_999, 2**20])
    query, encoding = torch.randn(1, 2, 6, 8), stated.build()
    ours, _ = encoding.rotate(query, None, encoding.prepare(positions))
    assert_close(ours, query * compute_attention_scaling(positions[None]))
    for kind, layer in zip(config.layer_types, layers, strict=True):
        expected = QueryTemperatureSpec if kind == "full_attention" else RotarySpec
        assert [type(each) for each in layer.encodings] == [expected]


def test_mistral_large_4_learns_gains_of_queries_and_of_frequencies(tmp_path: Path) -> None:
    subject = SUBJECTS["MistralLarge4TextConfig"]
    config, model = subject.build()
    with torch.no_grad():
        model.rotary_emb.alpha.normal_()
        for layer in model.layers:
            layer.self_attn.softmax_scaling.scale.normal_()
    model.save_pretrained(tmp_path)
    reading = examine(tmp_path)
    assert any("rotary_emb.alpha in the checkpoint multiplies" in note for note in reading.notes)
    spec = reading.spec
    positions = torch.randint(0, 200, (BATCH, SEQ))
    cos, sin = model.rotary_emb(torch.zeros(1), positions)
    for at, (stated, theirs) in enumerate(zip(spec.layers, model.layers, strict=True)):
        *turning, growing = stated.encodings
        assert growing == SSMaxSpec(num_heads=config.num_attention_heads)
        encoding, scaling = growing.build(), theirs.self_attn.softmax_scaling
        with torch.no_grad():
            encoding.slope.copy_(scaling.scale)
            encoding.bias.copy_(scaling.bias)
        query = torch.randn(BATCH, config.num_attention_heads, SEQ, 16)
        grown, _ = encoding.rotate(query, None, encoding.prepare(positions))
        assert_close(grown, scaling(query, positions, head_dim_first=True))
        assert bool(turning) == theirs.self_attn.use_rope, at
        for rotary in turning:
            assert isinstance(rotary, RotarySpec)
            angles = positions[..., None] * rotary.build().frequencies.inv_freq[0]
            assert_close(angles.cos().float(), halves(cos), atol=1e-4, rtol=0)
            assert_close(angles.sin().float(), halves(sin), atol=1e-4, rtol=0)


def halves(table: Tensor) -> Tensor:
    return table[..., : table.shape[-1] // 2]

"""Architectures with tables, sines or biases do what the spec of their config says."""

import pytest
import torch
from checkpoints.proof_elsewhere import prove_elsewhere, slopes_of
from checkpoints.tiny import SEQ, Subject, subjects
from spec.golden import GOLDEN
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor._read import examine

SUBJECTS = subjects("subjects_without_rotation.json")


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=lambda subject: subject.name)
def test_a_tiny_model_does_what_its_spec_says(subject: Subject) -> None:
    proof = prove_elsewhere(subject)
    assert proof.differences == []
    assert proof.compared


def test_slopes_of_falcon_are_rounded_and_scaled() -> None:
    from transformers import FalconConfig
    from transformers.models.falcon.modeling_falcon import build_alibi_tensor

    config = FalconConfig(hidden_size=4544, num_attention_heads=71, num_hidden_layers=1, alibi=True)
    spec = phasor.read(config)
    bias = build_alibi_tensor(torch.ones(1, SEQ), 71, torch.float32) / 64**0.5
    assert_close(slopes_of(spec), bias[:, 0, 1], atol=1e-7, rtol=0)


def test_attention_of_mpt_is_that_of_its_spec() -> None:
    _, model = SUBJECTS["MptConfig"].build()
    spec = phasor.read(model.config)
    taken: dict[str, Tensor] = {}
    first = model.blocks[0].attn
    first.register_forward_hook(lambda module, args, out: taken.update(x=args[0], out=out[0]))
    with torch.no_grad():
        model(**SUBJECTS["MptConfig"].some_inputs())
        heads = first.Wqkv(taken["x"]).unflatten(-1, (3, 6, -1)).permute(2, 0, 3, 1, 4)
        (alibi,) = spec.layers[0].encodings
        mixed = phasor.attention(*heads, alibi.build(), scale=spec.layers[0].score_scale)
        ours = first.out_proj(mixed.transpose(1, 2).flatten(-2))
    assert spec.layers[0].score_scale == 0.3
    assert_close(ours, taken["out"], atol=1e-5, rtol=0)


def test_what_mpt_does_not_read_is_named() -> None:
    config = {"model_type": "mpt", "attn_config": {"alibi": False, "alibi_bias_max": 16}}
    notes = examine(config).notes
    assert "attn_config.alibi False is ignored: it is True always" in notes
    assert "attn_config.alibi_bias_max 16 is ignored: it is 8 always" in notes
    assert examine({"model_type": "mpt"}).notes == ()


def test_mpt_7b_is_read_to_its_golden_spec() -> None:
    golden = GOLDEN["mpt-7b"]()
    found = phasor.read({"model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32})
    assert (found.layers, found.max_seq_len) == (golden.layers, golden.max_seq_len)

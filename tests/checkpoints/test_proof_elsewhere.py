"""Architectures with tables, sines or biases do what the spec of their config says."""

import pytest
import torch
from checkpoints.proof_elsewhere import prove_elsewhere, slopes_of
from checkpoints.tiny import SEQ, Subject, subjects
from torch.testing import assert_close

import phasor

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

"""Every text architecture that can turn does what the spec of its config says."""

from dataclasses import replace

import pytest
from checkpoints.proof import prove
from checkpoints.tiny import Subject, subjects


@pytest.mark.parametrize("subject", subjects().values(), ids=lambda subject: subject.name)
def test_a_tiny_model_does_what_its_spec_says(subject: Subject) -> None:
    proof = prove(subject)
    assert proof.differences == []
    assert proof.compared


@pytest.mark.parametrize(
    ("name", "row", "difference"),
    [
        ("CohereConfig", "llama", "turned otherwise"),
        ("MistralConfig", "llama", "sees [1, 4, 4] of 11 tokens"),
        ("SmolLM3Config", "llama", "layer 3 does not turn"),
        ("DeepseekV3Config", "llama", "has heads of 32, not 16"),
        ("EsmcConfig", "llama", "sees [11, 11, 11] of 11 tokens"),
        ("GraniteConfig", "llama", "scales scores by 1.0"),
        ("Phi3Config", "mistral", "partial_rotary_factor is honoured"),
        ("Qwen3VLTextConfig", "qwen2_vl_text", "turned otherwise"),
    ],
)
def test_the_row_of_another_architecture_is_found_out(name: str, row: str, difference: str) -> None:
    found = prove(replace(subjects()[name], row=row)).differences
    assert any(difference in sentence for sentence in found), found

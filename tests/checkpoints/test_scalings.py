"""Each rope type on architectures that use it in ways of their own, against transformers."""

from dataclasses import replace
from typing import Any

import pytest
from checkpoints.proof import prove
from checkpoints.tiny import subjects

TYPES: dict[str, dict[str, Any]] = {
    "linear": {"factor": 3.0},
    "dynamic": {"factor": 2.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 64},
    "yarn with gains": {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 64,
        "mscale": 0.7,
        "mscale_all_dim": 1.0,
        "beta_fast": 16,
        "truncate": False,
    },
    "llama3": {
        "factor": 4.0,
        "original_max_position_embeddings": 64,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
    "proportional": {"factor": 2.0, "partial_rotary_factor": 0.5},
}
SUBJECTS = {
    "LlamaConfig": {},
    "GPTNeoXConfig": {"partial_rotary_factor": 0.25},
    "StableLmConfig": {"partial_rotary_factor": 0.5},
    "DeepseekV3Config": {},
    "CohereConfig": {},
    "NanoChatConfig": {},
    "Qwen2VLTextConfig": {"mrope_section": [4, 6, 6]},
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", SUBJECTS)
def test_frequencies_of_each_type(name: str, kind: str) -> None:
    sections = "mrope_section" in SUBJECTS[name]
    if sections and kind == "dynamic":
        pytest.skip("sections of frequencies that depend on the length have no rule")
    if "partial_rotary_factor" in SUBJECTS[name] and kind == "proportional":
        pytest.skip("they cut heads by the same factor, and fail on the wider table")
    parameters = {"rope_type": kind, "rope_theta": 1000.0, **SUBJECTS[name], **TYPES[kind]}
    subject = subjects()[name]
    subject = replace(subject, config={**subject.config, "rope_parameters": parameters})
    proof = prove(subject)
    assert proof.differences == []
    assert proof.compared


def test_lists_for_short_and_long_sequences() -> None:
    subject = subjects()["Phi3Config"]
    parameters = {
        "rope_type": "longrope",
        "rope_theta": 1000.0,
        "short_factor": [1.0 + 0.1 * pair for pair in range(16)],
        "long_factor": [2.0 + 0.1 * pair for pair in range(16)],
    }
    config = {"rope_parameters": parameters, "original_max_position_embeddings": 256}
    proof = prove(replace(subject, config={**subject.config, **config}))
    assert proof.differences == []

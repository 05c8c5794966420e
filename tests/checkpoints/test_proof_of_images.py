"""Vision towers do what the spec of their config says."""

from dataclasses import replace

import pytest
from checkpoints.proof_of_images import prove_image
from checkpoints.tiny import Subject, subjects

SUBJECTS = subjects("subjects_of_images.json")


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=lambda subject: subject.name)
def test_a_tiny_tower_does_what_its_spec_says(subject: Subject) -> None:
    proof = prove_image(subject)
    assert proof.differences == []
    assert proof.compared

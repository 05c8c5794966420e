"""Every text architecture that can turn does what the spec of its config says."""

import pytest
from checkpoints.proof import prove
from checkpoints.tiny import Subject, subjects


@pytest.mark.parametrize("subject", subjects().values(), ids=lambda subject: subject.name)
def test_a_tiny_model_does_what_its_spec_says(subject: Subject) -> None:
    proof = prove(subject)
    assert proof.differences == []
    assert proof.compared

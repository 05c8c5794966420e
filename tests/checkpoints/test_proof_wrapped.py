"""Models around a text model, towers that turn by time, and models without any position."""

from dataclasses import replace

import pytest
from checkpoints.proof import Proof, prove
from checkpoints.proof_elsewhere import prove_elsewhere
from checkpoints.proof_nothing import prove_nothing
from checkpoints.tiny import Subject, subjects
from checkpoints.wrapped import Wrapper, wrappers

import phasor
from phasor.checkpoints import architectures, examine
from phasor.spec import RotarySpec

ORDERLESS = subjects("subjects_without_position.json")
AUDIO = subjects("subjects_of_audio.json")


@pytest.mark.parametrize("wrapper", wrappers().values(), ids=lambda wrapper: wrapper.name)
def test_text_inside_a_model_does_what_the_spec_of_the_whole_says(wrapper: Wrapper) -> None:
    proof = _prove(wrapper)
    assert proof.differences == []
    assert proof.compared


@pytest.mark.parametrize("subject", AUDIO.values(), ids=lambda subject: subject.name)
def test_a_tower_of_audio_does_what_its_spec_says(subject: Subject) -> None:
    proof = prove(subject)
    assert proof.differences == []
    assert proof.compared


@pytest.mark.parametrize("subject", ORDERLESS.values(), ids=lambda subject: subject.name)
def test_without_position_order_makes_no_difference(subject: Subject) -> None:
    proof = prove_nothing(subject)
    assert proof.differences == []
    assert proof.compared


def test_position_is_found_out_where_a_spec_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {**architectures.architectures(), "llama": architectures.architecture("jamba")}
    monkeypatch.setattr(architectures, "architectures", lambda: table)
    subject = replace(subjects()["LlamaConfig"], config={"num_hidden_layers": 1})
    found = prove_nothing(subject).differences
    assert found == ["something turns", "the order of tokens makes a difference"]


def _prove(wrapper: Wrapper) -> Proof:
    """By what the spec of the wrapper says that there is."""
    spec = examine(wrapper.config_class(**wrapper._arguments())).spec
    encodings = [each for layer in spec.layers for each in layer.encodings]
    if any(isinstance(each, RotarySpec) for each in encodings):
        return prove(wrapper)
    if encodings or spec.embedding is not None:
        return prove_elsewhere(wrapper)
    return prove_nothing(wrapper)

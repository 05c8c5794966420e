"""Configs that let the tokens of a decoder see later ones as well."""

from dataclasses import replace
from typing import Any

import pytest
from checkpoints.proof import prove
from checkpoints.proof_elsewhere import prove_elsewhere
from checkpoints.tiny import Subject, subjects

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError

TURNING, OTHERS = subjects(), subjects("subjects_without_rotation.json")
ASKED = {"is_causal": False}
GEMMA = {"use_bidirectional_attention": True}


@pytest.mark.parametrize(
    ("name", "given", "causal", "windows"),
    [
        ("LlamaConfig", ASKED, False, [None, None]),
        ("MistralConfig", ASKED, False, [9, 9]),
        ("Gemma3TextConfig", ASKED, False, [9, 9]),
        ("Gemma3TextConfig", GEMMA, False, [5, 5]),
        ("Gemma3TextConfig", {"use_bidirectional_attention": False}, True, [4, 4]),
        ("Gemma4TextConfig", {"use_bidirectional_attention": "all"}, False, [7, None]),
        ("Gemma4TextConfig", {"use_bidirectional_attention": "vision"}, True, [4, None]),
        ("Step3p7TextConfig", ASKED, False, [None, 17]),
        ("Step3p7TextConfig", GEMMA, False, [None, 15]),
        ("DeepseekV3Config", ASKED, False, [None, None]),
        ("LlamaConfig", {"is_causal": True}, True, [None, None]),
    ],
)
def test_a_model_sees_what_its_config_asks_for(
    name: str, given: dict[str, Any], causal: bool, windows: list[int | None]
) -> None:
    subject = _with(TURNING[name], given)
    spec = examine(subject.build()[0]).spec
    assert (spec.causal, [layer.window for layer in spec.layers]) == (causal, windows)
    assert prove(subject).differences == []


@pytest.mark.parametrize("name", ["OPTConfig", "GPT2Config"])
def test_so_does_one_without_rotation(name: str) -> None:
    subject = _with(OTHERS[name], ASKED)
    assert not phasor.read(subject.build()[0]).causal
    assert prove_elsewhere(subject).differences == []


def test_where_it_has_no_effect_is_said() -> None:
    notes = examine({"model_type": "kosmos_2_text_model", **ASKED}).notes
    assert "is_causal False is ignored: it is True always" in notes


@pytest.mark.parametrize("name", ["t5", "llama4_text", "unlimited_ocr_text"])
def test_what_half_of_a_model_does_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="is_causal False is not known to this architecture"):
        phasor.read({"model_type": name, **ASKED})


def _with(subject: Subject, given: dict[str, Any]) -> Subject:
    return replace(subject, config={**subject.config, **given})

"""Models around a text model, towers that turn by time, and models without any position."""

from dataclasses import replace
from typing import Any

import pytest
from checkpoints import proof
from checkpoints.proof import Proof, prove, type_of_the_layers
from checkpoints.proof_elsewhere import prove_elsewhere
from checkpoints.proof_nothing import prove_nothing
from checkpoints.tiny import Subject, subjects
from checkpoints.wrapped import Wrapper, wrappers

from phasor._read import architectures
from phasor._read.architectures import Embedding

ORDERLESS = subjects("subjects_without_position.json")
AUDIO = subjects("subjects_of_audio.json")
_SHIFTED = {"embedding": Embedding(kind="learned", offset=2)}


@pytest.mark.parametrize("wrapper", wrappers().values(), ids=lambda wrapper: wrapper.name)
def test_text_inside_a_model_does_what_the_spec_of_the_whole_says(wrapper: Wrapper) -> None:
    found = _prove(wrapper)
    assert found.differences == []
    assert found.compared


@pytest.mark.parametrize("subject", AUDIO.values(), ids=lambda subject: subject.name)
def test_a_tower_of_audio_does_what_its_spec_says(subject: Subject) -> None:
    found = prove(subject)
    assert found.differences == []
    assert found.compared


@pytest.mark.parametrize("subject", ORDERLESS.values(), ids=lambda subject: subject.name)
def test_without_position_order_makes_no_difference(subject: Subject) -> None:
    found = prove_nothing(subject)
    assert found.differences == []
    assert found.compared


@pytest.mark.parametrize(
    ("name", "row", "changes", "difference"),
    [
        ("MimiConfig", "mimi", {"layout": "interleaved"}, "turned otherwise"),
        ("MimiConfig", "mimi", {"window": "none"}, "sees [1, 4, 4] of 11 tokens"),
        ("PocketTTSAudioTokenizerConfig", "pocket_tts_audio_tokenizer", {"causal": False}, "sees"),
        ("GlmAsrEncoderConfig", "glmasr_encoder", {"partial": False}, "factor is honoured"),
        ("LasrEncoderConfig", "lasr_encoder", {"causal": True}, "sees [12, 12, 12]"),
        ("PeAudioEncoderConfig", "pe_audio_encoder", {"layout": "half"}, "turned otherwise"),
        ("MimiEncoderConfig", "mimi_encoder", {"odd": "nanochat"}, "turned otherwise"),
        ("Dots3NoteAudioConfig", "dots3_note_audio_encoder", {"partial": False}, "turned other"),
        ("TimesFm2_5Config", "timesfm2_5", {"score_scale": None}, "scales scores by 1.0"),
        ("MuseGlimmerAssistantConfig", "muse_glimmer_assistant", {"window": "none"}, "sees"),
        ("GemmaConfig", "gemma", {"mechanism": "none"}, "layer 0 turns"),
        ("LlavaConfig", "llama", {"layout": "interleaved"}, "turned otherwise"),
        ("Gemma3Config", "gemma3_text", {"odd": None}, "scales scores"),
        ("Qwen2VLConfig", "qwen2_vl_text", {"layout": "interleaved"}, "turned otherwise"),
        ("CLIPConfig", "clip_text_model", {"causal": False}, "sees [1, 6, 11] of 11 tokens"),
        ("MetaClip2Config", "metaclip_2_text_model", _SHIFTED, "other rows"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_found_out(
    name: str,
    row: str,
    changes: dict[str, Any],
    difference: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {**subjects(), **AUDIO, **wrappers()}[name]
    _change(row, monkeypatch, **changes)
    differences = (
        _prove(found).differences if isinstance(found, Wrapper) else prove(found).differences
    )
    assert any(difference in sentence for sentence in differences), differences


def test_halves_that_come_out_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "HALVES_OUT", set())
    differences = _prove(wrappers()["Kimi_K25Config"]).differences
    assert any("turned otherwise" in sentence for sentence in differences), differences


def test_position_is_found_out_where_a_spec_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _change("llama", monkeypatch, mechanism="none")
    found = prove_nothing(replace(subjects()["LlamaConfig"], config={"num_hidden_layers": 1}))
    assert found.differences == ["something turns", "the order of tokens makes a difference"]


def _change(row: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    table = architectures.architectures()
    changed = {**table, row: replace(table[row], **changes)}
    monkeypatch.setattr(architectures, "architectures", lambda: changed)


def _prove(wrapper: Wrapper) -> Proof:
    """By what the row of the model inside says that there is."""
    config = wrapper.config_class(**wrapper.arguments())
    row = architectures.architecture(type_of_the_layers(config, config.model_type))
    if row.mechanism == "rotary":
        return prove(wrapper)
    if row.mechanism == "none" and row.embedding is None:
        return prove_nothing(wrapper)
    return prove_elsewhere(wrapper)

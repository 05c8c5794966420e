"""Vision towers do what the spec of their config says."""

from dataclasses import replace
from typing import Any

import pytest
from checkpoints.proof_of_images import prove_image
from checkpoints.tiny import Subject, subjects

from phasor._read.architectures import Embedding, architecture, architectures

SUBJECTS = subjects("subjects_of_images.json")


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=lambda subject: subject.name)
def test_a_tiny_tower_does_what_its_spec_says(subject: Subject) -> None:
    proof = prove_image(subject)
    assert proof.differences == []
    assert proof.compared


LEARNED = Embedding(kind="learned", positions="patches")


@pytest.mark.parametrize(
    ("name", "change", "difference"),
    [
        ("Qwen2VLVisionConfig", {"axes": "columns_first"}, "turned otherwise"),
        ("Qwen2_5_VLVisionConfig", {"layout": "interleaved"}, "turned otherwise"),
        ("Step3p7VisionConfig", {"axes": "axial"}, "turned otherwise"),
        ("Llama4VisionConfig", {"layout": "half"}, "turned otherwise"),
        ("Inkling2VisionConfig", {"axes": "axial"}, "turned otherwise"),
        ("PixtralVisionConfig", {"axes": "axial"}, "turned otherwise"),
        ("MiniMaxM3VLVisionConfig", {"layout": "interleaved"}, "turned otherwise"),
        ("Kimi_K25VisionConfig", {"axes": "columns_first"}, "turned otherwise"),
        ("DINOv3ViTConfig", {"axes": "axial"}, "turned otherwise"),
        ("Gemma4VisionConfig", {"axes": "axial"}, "turned otherwise"),
        ("Gemma4VisionConfig", {"score_scale": None}, "scales scores by 1.0"),
        ("Lfm3VlVisionConfig", {"odd": "cohere2"}, "layer 1 turns"),
        ("Sam3ViTConfig", {"odd": None, "embedding": None}, "layer 1: turned otherwise"),
        (
            "HunYuanVLVisionConfig",
            {"axes": "axial", "mechanism": "rotary", "odd": "gptj"},
            "does not turn",
        ),
        ("Qwen3VLVisionConfig", {"embedding": None}, "is a table that the spec lacks"),
        ("MLCDVisionConfig", {"omits": ()}, "is not named"),
        ("CLIPVisionConfig", {"embedding": LEARNED}, "is [17, 128], not [16, 128]"),
        ("Qwen2VLVisionConfig", {"embedding": replace(LEARNED, positions="depth")}, "the spec has"),
    ],
)
def test_a_wrong_row_is_found_out(
    monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, Any], difference: str
) -> None:
    kind = SUBJECTS[name].config_class.model_type
    monkeypatch.setitem(architectures(), kind, replace(architecture(kind), **change))
    found = prove_image(SUBJECTS[name]).differences
    assert any(difference in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("name", "change", "difference"),
    [
        ("Qwen2_5_VLVisionConfig", {"window": None}, "turned otherwise"),
        ("Qwen3VLVisionConfig", {"merge": 1}, "other rows are added"),
        ("HunYuanVLVisionConfig", {"merge": 2}, "other rows are added"),
        ("DeiTConfig", {"before": 1}, "is added to 18 tokens, not to 17"),
        ("Llama4VisionConfig", {"before": 1, "after": 0}, "turned otherwise"),
    ],
)
def test_another_order_of_patches_is_found_out(
    name: str, change: dict[str, Any], difference: str
) -> None:
    grid = SUBJECTS[name].grid | change
    found = prove_image(replace(SUBJECTS[name], grid=grid)).differences
    assert any(difference in sentence for sentence in found), found

"""Vision towers as parts of models, and what configs of images may not say."""

from typing import Any

import pytest

import phasor
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import LearnedSpec, RotarySpec

ROTATING = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "llama4", "mistral3", "kimi_k25")
ROTATING += ("minimax_m3_vl", "muse_glimmer", "glm_ocr", "ernie4_5_vl_moe", "paddleocr_vl")
WITH_TABLES = ("qwen3_vl", "llama4", "kimi_k25", "gemma3", "llava", "idefics3", "siglip", "clip")


@pytest.mark.parametrize("model_type", ROTATING)
def test_a_model_has_its_rotating_tower(model_type: str) -> None:
    reading = examine({"model_type": model_type})
    tower = reading.spec.tower("vision")
    assert not tower.causal
    assert all(isinstance(layer.encodings[0], RotarySpec) for layer in tower.layers)
    assert not any("the vision tower is left out" in note for note in reading.notes)
    assert phasor.PositionSpec.from_json(reading.spec.to_json()) == reading.spec
    assert len(tower.encodings()) == len(tower.layers)


@pytest.mark.parametrize("model_type", WITH_TABLES)
def test_a_model_has_the_table_of_its_tower(model_type: str) -> None:
    tower = examine({"model_type": model_type}).spec.tower("vision")
    assert isinstance(tower.embedding, LearnedSpec)


def test_two_parts_of_a_head_turn_with_two_axes() -> None:
    (first, second) = examine({"model_type": "gemma4_vision"}).spec.layers[0].encodings
    assert isinstance(first, RotarySpec)
    assert isinstance(second, RotarySpec)
    assert (first.rotary_slice, second.rotary_slice) == ("leading", "trailing")
    for part, axis in ((first, 1), (second, 0)):
        assert part.build().frequencies.inv_freq.any(dim=1).tolist() == [axis == 0, axis == 1]


@pytest.mark.parametrize(
    ("config", "table"),
    [
        ({"model_type": "clip_vision_model"}, (50, 0)),
        ({"model_type": "vit", "image_size": [224, 112]}, (99, 0)),
        ({"model_type": "deit"}, (198, 0)),
        ({"model_type": "siglip_vision_model"}, (196, 0)),
        ({"model_type": "hunyuan_vl_vision"}, (128 * 128, 1)),
        ({"model_type": "kimi_k25_vision"}, (64 * 64, 0)),
        ({"model_type": "yolos", "image_size": [64, 32], "num_detection_tokens": 3}, (12, 0)),
    ],
)
def test_rows_of_a_table(config: dict[str, Any], table: tuple[int, int]) -> None:
    embedding = examine(config).spec.embedding
    assert isinstance(embedding, LearnedSpec)
    assert (embedding.num_positions, embedding.offset) == table


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "clip_vision_model", "image_size": 0}, "image_size must be a number of"),
        ({"model_type": "clip_vision_model", "image_size": 2**40}, "image_size must be a number"),
        ({"model_type": "vit", "image_size": [224, 224, 3]}, "pixels or two, got [224, 224, 3]"),
        ({"model_type": "pixtral", "head_dim": 66}, "a multiple of 2 * axes = 4"),
        ({"model_type": "sam3_vit_model", "window_size": 0}, "window_size must be a whole number"),
        ({"model_type": "aimv2_vision_model", "is_native": True}, "sines of row and column"),
        (
            {
                "model_type": "pixtral",
                "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0},
            },
            "rope_type must be 'axial', got 'linear'",
        ),
    ],
)
def test_what_no_tower_has_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        phasor.read(config)
    assert message in str(error.value)

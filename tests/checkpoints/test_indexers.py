"""Indexers, which choose the tokens that attention sees, turn by a rotation of their own."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from checkpoints.proof import prove
from checkpoints.tiny import Subject, subjects
from spec.golden import GOLDEN

import phasor
from phasor._inspect import inspect
from phasor._inspect.page import render_page
from phasor._inspect.sentences import layer_lines, rotation_title
from phasor._read import architectures
from phasor.rotary.scaling import YaRN
from phasor.spec import PositionSpec, RotarySpec

MODELS: dict[str, dict[str, Any]] = {
    "AXK2Config": {},
    "DeepseekV32Config": {},
    "DeepseekV4Config": {
        "layer_types": ["compressed_sparse_attention", "heavily_compressed_attention"]
    },
    "Dots3NoteTextConfig": {"layer_types": ["indexed_attention", "full_attention"]},
    "GlmMoeDsaConfig": {"indexer_types": ["full", "shared"]},
    "HYV4Config": {"indexer_types": ["full", "shared"]},
    "MiniMaxM3VLTextConfig": {
        "layer_types": ["full_attention", "minimax_m3_sparse"],
        "index_head_dim": 64,
    },
    "MistralLarge4TextConfig": {},
    "Qwen4ExpTextConfig": {"indexer_head_dim": 64},
}
"""Config classes, and what makes some of their layers choose and others not."""

DSV32 = {
    "model_type": "deepseek_v32",
    "num_hidden_layers": 61,
    "max_position_embeddings": 163_840,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
}


def subject(name: str) -> Subject:
    found = subjects()[name]
    return replace(found, config={**found.config, **MODELS[name]})


@pytest.mark.parametrize("name", MODELS)
def test_a_tiny_model_chooses_by_the_rotation_that_its_spec_says(name: str) -> None:
    proof = prove(subject(name))
    assert proof.differences == []
    assert proof.indexers


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "changes",
    [
        {"layout": {"half": "interleaved", "interleaved": "half"}},
        {"rotary_slice": {"leading": "trailing", "trailing": "leading"}},
        {"layers": ("none", "of them")},
    ],
    ids=["layout", "slice", "layers"],
)
def test_another_rotation_is_found_out(
    name: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, _ = subject(name).build()
    table = dict(architectures.architectures())
    row = table[config.model_type]
    assert row.indexer is not None
    ((key, new),) = changes.items()
    wrong = new if isinstance(new, tuple) else new[getattr(row.indexer, key)]
    table[config.model_type] = replace(row, indexer=replace(row.indexer, **{key: wrong}))
    monkeypatch.setattr(architectures, "architectures", lambda: table)
    assert any("its indexer" in sentence for sentence in prove(subject(name)).differences)


def test_every_indexer_of_transformers_that_turns_is_in_the_table() -> None:
    """By their sources: an indexer added by a later version is missed by no test of this file."""
    turning = set()
    for file in Path(transformers.__file__).parent.glob("models/*/modeling_*.py"):
        text = file.read_text()
        for found in ast.walk(ast.parse(text)) if "Indexer(" in text else ():
            if isinstance(found, ast.ClassDef) and found.name.endswith("Indexer"):
                calls = {each.id for each in ast.walk(found) if isinstance(each, ast.Name)}
                if any(name.startswith("apply_rotary") for name in calls):
                    turning.add(file.parent.name)
    table = architectures.architectures()
    rows = {name for name, row in table.items() if row.indexer is not None}
    assert {name.removesuffix("_text") for name in rows} == turning
    assert {subjects()[name].folder for name in MODELS} == turning


def test_deepseek_pairs_neighbours_in_attention_and_halves_in_its_indexer() -> None:
    spec = phasor.read(dict(DSV32))
    for layer in spec.layers:
        (main,), indexer = layer.encodings, layer.indexer
        assert isinstance(main, RotarySpec)
        assert indexer is not None
        assert (main.layout, main.rotary_slice, main.head_dim) == ("interleaved", "trailing", 192)
        assert (indexer.layout, indexer.rotary_slice, indexer.head_dim) == ("half", "leading", 128)
        assert isinstance(main.scaling, YaRN)
        assert main.scaling.scale_softmax
        frequencies = indexer.build().frequencies
        assert torch.equal(frequencies.inv_freq, main.build().frequencies.inv_freq)
        assert frequencies.softmax_scale == 1.0


def test_the_golden_spec_is_what_is_read() -> None:
    golden = GOLDEN["deepseek-v3.2"]()
    assert golden.diff(phasor.read(dict(DSV32))) == []
    with torch.device("meta"):
        assert len(golden.encodings()) == 61


def test_inspection_looks_at_both_rotations() -> None:
    main, indexer = inspect(GOLDEN["deepseek-v3.2"]()).rotations
    assert (main.of_indexer, indexer.of_indexer) == (False, True)
    found = inspect(GOLDEN["deepseek-v3.2"]())
    assert "Rotation in the indexer of every layer" in rotation_title(found, indexer)
    ((_, words),) = layer_lines(found)
    assert words.startswith("rotary: the trailing 64 of 192 channels turn, 2i with 2i + 1")
    assert words.endswith(
        "an indexer, which chooses tokens: the leading 64 of 128 channels turn, i with i + 32, by "
        "the same angles"
    )
    page = render_page(found)
    assert "Rotation in the indexer of every layer" in page
    assert page.count('id="wavelengths-') == 2


def test_what_glm_5_publishes_is_read() -> None:
    config = {"model_type": "glm_moe_dsa", "num_hidden_layers": 2}
    spec = phasor.read({**config, "indexer_rope_interleave": True})
    indexer = spec.layers[0].indexer
    assert indexer is not None
    assert indexer.layout == "interleaved"
    with pytest.warns(UserWarning, match="indexer_rope_interleave False is ignored: it is True"):
        phasor.read({**config, "indexer_rope_interleave": False})


def test_an_indexer_survives_json_and_is_compared() -> None:
    spec = phasor.read(dict(DSV32))
    text = spec.to_json()
    assert PositionSpec.from_json(text) == spec
    layers = tuple(
        replace(layer, indexer=replace(layer.indexer, layout="interleaved"))
        for layer in spec.layers
    )
    other = replace(spec, model="other", layers=layers)
    assert spec.diff(other) == [
        "every layer: indexer.layout is 'half' in deepseek_v32, 'interleaved' in other"
    ]
    without = replace(
        spec, model="other", layers=tuple(replace(each, indexer=None) for each in layers)
    )
    (sentence,) = spec.diff(without)
    assert sentence.startswith("every layer: indexer is rotary(head_dim=128")
    assert sentence.endswith("in deepseek_v32, none in other")
    assert '"indexer"' not in without.to_json()

"""GGUF files as llama.cpp's converters write them, against the configs that these read."""

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints.converted_cases import CASES
from checkpoints.gguf_writing import write_metadata
from checkpoints.same_position import assert_same

from phasor._read import examine
from phasor.rotary.scaling import longrope
from phasor.spec import (
    ALiBiSpec,
    GeometricSpec,
    LayerSpec,
    PositionSpec,
    RotarySpec,
)

CONVERTED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "converted.json").read_text("utf-8")
)


DIFFERS = {
    # phi3.cpp: "Phi SWA is currently disabled".
    "phi3, not scaled": ("window",),
    # ggml_rope_yarn_corr_dims in ggml.c rounds the ends of the ramp always.
    "gpt_oss, as published": ("inv_freq",),
    # The converter writes the width where the file has no seq_length.
    "bloom": ("max_seq_len",),
}
"""Where llama.cpp computes something else than transformers; the file says what it does."""


def read_converted(name: str, folder: Path) -> PositionSpec:
    made = CONVERTED[name]
    metadata = dict(made["metadata"])
    model = metadata.pop("general.architecture")
    spec = examine(write_metadata(folder / "a.gguf", model, metadata, made["tensors"])).spec
    encodings = [each for layer in spec.layers for each in layer.encodings]
    layouts = {each.layout for each in encodings if isinstance(each, RotarySpec)}
    assert layouts <= {made["layout"]}
    return spec


@pytest.mark.parametrize("name", CASES)
def test_it_is_read_like_its_config(name: str, tmp_path: Path) -> None:
    found = read_converted(name, tmp_path)
    wanted = examine(CASES[name][0]).spec
    assert_same(found, wanted, without=DIFFERS.get(name, ()))
    if name in DIFFERS:
        with pytest.raises(AssertionError):
            assert_same(found, wanted)


def rotary(width: int = 64, **fields: Any) -> RotarySpec:
    fields.setdefault("layout", "interleaved")
    return RotarySpec(head_dim=width, frequencies=GeometricSpec(rotary_dim=width), **fields)


UNKNOWN: dict[str, PositionSpec] = {
    "baichuan of 32": PositionSpec(
        model="baichuan", layers=(LayerSpec(encodings=(rotary(),)),) * 32, max_seq_len=8192
    ),
    "baichuan of 40": PositionSpec(
        model="baichuan", layers=(LayerSpec(encodings=(ALiBiSpec(num_heads=4),)),) * 40,
        max_seq_len=8192,
    ),
    "minicpm": PositionSpec(
        model="minicpm",
        layers=(
            LayerSpec(encodings=(rotary(scaling=longrope(
                short_factor=[1 + 0.01 * pair for pair in range(32)],
                long_factor=[1 + 0.05 * pair for pair in range(32)],
                # Neither a gain nor the shorter length is written by the converter.
                original_seq_len=32768, short_attention_factor=1.0, long_attention_factor=1.0,
            )),)),
        ) * 4,
        max_seq_len=32768,
    ),
    "jina-bert-v2": PositionSpec(
        model="jina-bert-v2", layers=(LayerSpec(encodings=(ALiBiSpec(num_heads=4),)),) * 4,
        max_seq_len=8192, causal=False,
    ),
    "refact": PositionSpec(
        model="refact", layers=(LayerSpec(encodings=(ALiBiSpec(num_heads=4),)),) * 3,
        max_seq_len=4096,
    ),
}  # fmt: skip
"""By hand, from the files of these architectures in llama.cpp's src/models."""


@pytest.mark.parametrize("name", UNKNOWN)
def test_one_that_transformers_does_not_know(name: str, tmp_path: Path) -> None:
    assert_same(read_converted(name, tmp_path), UNKNOWN[name])


def test_every_case_is_frozen() -> None:
    assert set(CONVERTED) == CASES.keys() | UNKNOWN.keys()
    assert len({made["metadata"]["general.architecture"] for made in CONVERTED.values()}) > 35

"""What is written for others, read back and computed by them."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import phasor
from phasor import PositionSpec
from phasor.checkpoints import examine
from phasor.spec import GeometricSpec, LayerSpec, RotarySpec

LENGTH = 131_072
PAIRS = 32
ORIGINAL = st.integers(512, 16_384)
FACTOR = st.floats(1.0, 64.0).map(lambda value: float(f"{value:.4g}"))
FACTORS = st.lists(st.floats(1.0, 60.0).map(lambda v: round(v, 3)), min_size=PAIRS, max_size=PAIRS)
GAIN = st.floats(0.5, 2.0).map(lambda value: round(value, 4))

LINEAR = st.builds(phasor.scaling.linear, factor=FACTOR)
YARN = st.builds(
    phasor.scaling.yarn,
    factor=FACTOR,
    original_seq_len=ORIGINAL,
    beta_fast=st.sampled_from([32.0, 40.0, 16.0]),
    beta_slow=st.sampled_from([1.0, 2.0]),
    truncate=st.booleans(),
    attention_factor=st.none() | GAIN,
    mscale=st.none() | GAIN,
    mscale_all_dim=st.none() | GAIN,
)
LLAMA3 = st.builds(
    phasor.scaling.llama3,
    factor=FACTOR,
    low_freq_factor=st.sampled_from([1.0, 2.0]),
    high_freq_factor=st.sampled_from([4.0, 32.0]),
    original_seq_len=ORIGINAL,
)
LONGROPE = st.builds(
    phasor.scaling.longrope,
    short_factor=FACTORS,
    long_factor=FACTORS,
    original_seq_len=ORIGINAL,
    factor=FACTOR,
) | st.builds(
    lambda gain, **rest: phasor.scaling.longrope(
        **rest, short_attention_factor=gain, long_attention_factor=gain
    ),
    gain=GAIN,
    short_factor=FACTORS,
    long_factor=FACTORS,
    original_seq_len=ORIGINAL,
)
DYNAMIC = st.builds(phasor.scaling.dynamic_ntk, factor=FACTOR, original_seq_len=st.just(LENGTH))
SCALINGS = st.none() | LINEAR | YARN | LLAMA3 | LONGROPE | DYNAMIC
BASES = st.sampled_from([10_000.0, 500_000.0, 1_000_000.0, 12_345.0])


def stack(model: str, rotary: RotarySpec, layers: int = 2, **layer: Any) -> PositionSpec:
    spec = LayerSpec(encodings=(rotary,), **layer)
    return PositionSpec(model=model, layers=(spec,) * layers, max_seq_len=LENGTH)


def rotaries(layout: Any = "half", width: int = 2 * PAIRS) -> st.SearchStrategy[RotarySpec]:
    return st.builds(
        RotarySpec,
        head_dim=st.just(2 * PAIRS),
        frequencies=st.builds(GeometricSpec, rotary_dim=st.just(width), base=BASES),
        scaling=SCALINGS,
        layout=st.just(layout),
    )


def transformers_reads(spec: PositionSpec, version: Any = 5) -> PositionSpec:
    return examine({"model_type": spec.model, **spec.to_hf(version)}, strict=False).spec


@settings(max_examples=60, deadline=None)
@given(rotaries(), st.sampled_from(["llama", "qwen2"]), st.sampled_from([4, 5]))
def test_a_config_says_what_the_spec_says(rotary: RotarySpec, model: str, version: int) -> None:
    spec = stack(model, rotary)
    assert transformers_reads(spec, version) == spec


@settings(max_examples=30, deadline=None)
@given(rotaries(), st.sampled_from([4, 5]))
def test_transformers_computes_the_frequencies(rotary: RotarySpec, version: int) -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    fields = stack("llama", rotary).to_hf(version)  # type: ignore[arg-type]
    theirs = LlamaRotaryEmbedding(LlamaConfig(**fields))
    length = LENGTH if isinstance(rotary.scaling, phasor.scaling.DynamicNTK) else 1
    ours = rotary.build().at(length).frequencies
    torch.testing.assert_close(
        theirs.inv_freq.double(), ours.inv_freq[0], rtol=2e-5, atol=0, check_device=False
    )
    assert math.isclose(theirs.attention_scaling, ours.attention_scale, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("method", "factor"),
    [
        (phasor.scaling.ntk(factor=8), 1),
        (phasor.scaling.theta_scale(factor=4, original_seq_len=4096), 1),
    ],
)
def test_a_larger_base_is_written_as_one(method: Any, factor: int) -> None:
    spec = stack(
        "llama", RotarySpec(head_dim=64, frequencies=GeometricSpec(rotary_dim=64), scaling=method)
    )
    read = transformers_reads(spec).layers[0].encodings[0]
    wanted = spec.layers[0].encodings[0].build().frequencies  # type: ignore[union-attr]
    found = read.build().frequencies  # type: ignore[union-attr]
    torch.testing.assert_close(found.inv_freq, wanted.inv_freq, rtol=1e-12, atol=0)


SPECS = {
    "gemma3_text": {"num_hidden_layers": 12},
    "smollm3": {"num_hidden_layers": 8},
    "mistral": {"num_hidden_layers": 2, "sliding_window": 512},
    "qwen3": {
        "num_hidden_layers": 2,
        "use_sliding_window": True,
        "sliding_window": 64,
        "max_window_layers": 1,
    },
    "gpt_oss": {"num_hidden_layers": 4},
    "deepseek_v3": {"num_hidden_layers": 2},
    "phi": {"num_hidden_layers": 2},
    "glm": {"num_hidden_layers": 2},
    "gemma2": {"num_hidden_layers": 4},
    "qwen2_vl_text": {"num_hidden_layers": 2},
    "stablelm": {"num_hidden_layers": 2},
    "cohere2": {"num_hidden_layers": 8},
    "olmo3": {"num_hidden_layers": 8},
    "phi3": {"num_hidden_layers": 2},
}


@pytest.mark.parametrize("model", SPECS)
def test_an_architecture_comes_back(model: str) -> None:
    spec = examine({"model_type": model, **SPECS[model]}, strict=False).spec
    assert not spec.diff(transformers_reads(spec))

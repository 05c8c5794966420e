"""What is written for others, read back and computed by them."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.gguf_writing import write_metadata
from hypothesis import given, settings
from hypothesis import strategies as st

import phasor
from phasor import PositionSpec
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import GeometricSpec, LayerSpec, LearnedSpec, RotarySpec, SectionsSpec

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


EIGHTHS = st.integers(9, 512).map(lambda value: value / 8)
"""Factors that float32 holds."""
ANY = (
    st.none()
    | st.builds(phasor.scaling.linear, factor=EIGHTHS)
    | st.builds(phasor.scaling.yarn, factor=EIGHTHS, original_seq_len=ORIGINAL)
    | LONGROPE.map(lambda each: _in_eighths(each))
)


def _in_eighths(each: Any) -> Any:
    """Numbers that float32 holds, and the gains alone, as a GGUF file has them."""
    short, long = (
        tuple(max(1, round(8 * value)) / 8 for value in values)
        for values in (each.short_factor, each.long_factor)
    )
    return phasor.scaling.longrope(
        short_factor=short, long_factor=long, original_seq_len=each.original_seq_len,
        short_attention_factor=1.25, long_attention_factor=1.25,
    )  # fmt: skip


def gguf_reads(folder: Path, spec: PositionSpec) -> PositionSpec:
    written = spec.to_llama_cpp()
    keys = {f"{spec.model}.{name}": value for name, value in written.keys.items()}
    keys |= {f"{spec.model}.embedding_length": 256, f"{spec.model}.attention.head_count": 4}
    return examine(write_metadata(folder / "a.gguf", spec.model, keys, written.tensors)).spec


@settings(max_examples=40, deadline=None)
@given(scaling=ANY, base=BASES, width=st.sampled_from([64, 32]))
def test_a_gguf_file_says_what_the_spec_says(
    tmp_path_factory: pytest.TempPathFactory, scaling: Any, base: float, width: int
) -> None:
    if isinstance(scaling, phasor.scaling.LongRoPE):
        width = 64
    rotary = RotarySpec(
        head_dim=64,
        frequencies=GeometricSpec(rotary_dim=width, base=base),
        scaling=scaling,
        layout="interleaved",
    )
    spec = stack("llama", rotary)
    assert gguf_reads(tmp_path_factory.mktemp("gguf"), spec) == spec


@pytest.mark.parametrize(
    "scaling",
    [
        phasor.scaling.llama3(factor=8),
        phasor.scaling.ntk(factor=4),
        phasor.scaling.ntk_by_parts(factor=4, original_seq_len=4096),
        phasor.scaling.resonance(),
        phasor.scaling.drop_slow(original_seq_len=4096),
        phasor.scaling.stretch(factors=(1.5,) * 32, attention_factor=1.1),
        phasor.scaling.yarn(factor=4, original_seq_len=4096, attention_factor=1.0),
        phasor.scaling.yarn(factor=4, original_seq_len=4096, beta_fast=16.0),
    ],
)
def test_factors_on_frequencies_reach_a_gguf_file(tmp_path: Path, scaling: Any) -> None:
    rotary = RotarySpec(
        head_dim=64,
        frequencies=GeometricSpec(rotary_dim=64, base=500_000.0),
        scaling=scaling,
        layout="interleaved",
    )
    model = "mistral3" if getattr(scaling, "beta_fast", 32.0) != 32.0 else "llama"
    read = gguf_reads(tmp_path, stack(model, rotary)).layers[0].encodings[0]
    wanted, found = rotary.build().frequencies, read.build().frequencies  # type: ignore[union-attr]
    torch.testing.assert_close(found.inv_freq, wanted.inv_freq, rtol=1e-6, atol=1e-29)
    assert math.isclose(found.attention_scale, wanted.attention_scale, rel_tol=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    factor=EIGHTHS,
    original=ORIGINAL,
    fast=st.sampled_from([32.0, 16.0]),
    slow=st.sampled_from([1.0, 2.0]),
)
def test_the_ramp_of_yarn_comes_back_from_a_gguf_file(
    tmp_path_factory: pytest.TempPathFactory,
    factor: float,
    original: int,
    fast: float,
    slow: float,
) -> None:
    yarn = phasor.scaling.yarn(
        factor=factor, original_seq_len=original, beta_fast=fast, beta_slow=slow
    )
    rule = GeometricSpec(rotary_dim=64)
    spec = stack(
        "mistral3",
        RotarySpec(head_dim=64, frequencies=rule, scaling=yarn, layout="interleaved"),
    )
    assert gguf_reads(tmp_path_factory.mktemp("gguf"), spec) == spec
    usual = phasor.scaling.YaRN.gguf_defaults()
    stated = {name: value for name, value in spec.to_llama_cpp().keys.items() if name in usual}
    assert {**usual, **stated} == dict(zip(usual, (fast, slow), strict=True))
    assert all(usual[name] != value for name, value in stated.items())


def test_gemma_has_two_bases_in_a_gguf_file(tmp_path: Path) -> None:
    local, wide = (
        RotarySpec(
            head_dim=256, frequencies=GeometricSpec(rotary_dim=256, base=base), scaling=scaling
        )
        for base, scaling in ((10_000.0, None), (1_000_000.0, phasor.scaling.linear(factor=8)))
    )
    near, far = LayerSpec(encodings=(local,), window=512), LayerSpec(encodings=(wide,))
    spec = PositionSpec(model="gemma3", layers=((near,) * 5 + (far,)) * 2, max_seq_len=LENGTH)
    assert gguf_reads(tmp_path, spec) == spec
    assert "rope.freq_base_swa" in spec.to_llama_cpp().only_in_file


def qwen(**changes: Any) -> PositionSpec:
    method = phasor.scaling.yarn(**{"factor": 4.0, "original_seq_len": 32_768, **changes})
    rule = GeometricSpec(rotary_dim=128, base=1_000_000.0)
    return stack("qwen3", RotarySpec(head_dim=128, frequencies=rule, scaling=method))


def test_vllm_gets_what_its_documentation_says() -> None:
    flag, overrides, length, tokens = qwen().to_vllm()
    assert (flag, length, tokens) == ("--hf-overrides", "--max-model-len", "131072")
    # docs/features/context_extension.md of vLLM, for Qwen3-0.6B.
    assert json.loads(overrides)["rope_parameters"] == {
        "factor": 4.0,
        "original_max_position_embeddings": 32768,
        "rope_theta": 1_000_000,
        "rope_type": "yarn",
    }


def test_gains_are_written_as_each_engine_reads_them() -> None:
    spec = qwen(attention_factor=1.0)
    written = json.loads(spec.to_vllm()[1])["rope_parameters"]
    usual = 0.1 * math.log(4) + 1
    assert written["attention_factor"] == 1.0
    assert math.isclose(written["attn_factor"], 1 / usual)  # multiplies the usual one
    assert spec.to_mlx()["rope_scaling"]["attention_factor"] == 1.0
    assert math.isclose(spec.to_llama_cpp().keys["rope.scaling.attn_factor"], 1 / usual)


def test_llama_31_in_all_words() -> None:
    rule = GeometricSpec(rotary_dim=128, base=500_000.0)
    spec = stack(
        "llama", RotarySpec(head_dim=128, frequencies=rule, scaling=phasor.scaling.llama3(factor=8))
    )
    assert " ".join(spec.to_megatron()) == (
        "--position-embedding-type rope --rotary-base 500000 --rotary-percent 1.0 "
        "--kv-channels 128 --use-rope-scaling --rope-scaling-factor 8 "
        "--max-position-embeddings 131072"
    )
    assert spec.to_ollama() == {"num_ctx": 131_072}
    assert spec.to_mlx()["rope_scaling"]["rope_type"] == "llama3"
    assert " ".join(spec.to_llama_cpp().flags) == (
        "--ctx-size 131072 --rope-freq-base 500000 --rope-scaling none"
    )
    assert spec.to_llama_cpp().only_in_file == ("rope_freqs.weight",)


def test_qwen_in_the_flags_of_its_authors() -> None:
    # README of Qwen3: ./llama-server ... -c 131072 --rope-scaling yarn --rope-scale 4
    # --yarn-orig-ctx 32768
    flags = qwen().to_llama_cpp().flags
    wanted = {"--rope-scaling": "yarn", "--rope-scale": "4", "--yarn-orig-ctx": "32768"}
    assert wanted.items() <= dict(zip(flags[::2], flags[1::2], strict=True)).items()


def test_megatron_layers_and_windows() -> None:
    rule = GeometricSpec(rotary_dim=32)
    turns = LayerSpec(
        encodings=(RotarySpec(head_dim=64, frequencies=rule, layout="interleaved"),), window=128
    )
    spec = PositionSpec(model="mine", layers=(turns, LayerSpec()) * 2)
    assert " ".join(spec.to_megatron()) == (
        "--position-embedding-type rope --rotary-base 10000 --rotary-percent 0.5 --kv-channels 64 "
        "--rotary-interleaved --no-rope-freq [0,1,0,1] --window-size 127,0 "
        "--window-attn-skip-freq [1,0,1,0]"
    )
    table = PositionSpec(
        model="gpt", layers=(LayerSpec(),), embedding=LearnedSpec(num_positions=1024, dim=768)
    )
    assert table.to_megatron()[1:] == ("learned_absolute", "--max-position-embeddings", "1024")


TINY = RotarySpec(head_dim=64, frequencies=GeometricSpec(rotary_dim=64))
DYNAMIC_NTK = phasor.scaling.dynamic_ntk(factor=2, original_seq_len=LENGTH)


@pytest.mark.parametrize(
    ("spec", "method", "part"),
    [
        (stack("m", replace(TINY, scaling=DYNAMIC_NTK)), "to_vllm", "vLLM cannot .* each sequence"),
        (stack("m", replace(TINY, scaling=DYNAMIC_NTK)), "to_llama_cpp", "llama.cpp cannot"),
        (stack("m", replace(TINY, scaling=DYNAMIC_NTK)), "to_mlx", "mlx-lm cannot"),
        (stack("m", replace(TINY, scaling=DYNAMIC_NTK)), "to_megatron", "Megatron-LM cannot"),
        (
            replace(stack("m", replace(TINY, scaling=DYNAMIC_NTK)), max_seq_len=8),
            "to_hf",
            "dynamic_ntk",
        ),
        (replace(stack("m", TINY), max_seq_len=None), "to_ollama", "Ollama cannot .* num_ctx"),
        (qwen(truncate=False), "to_mlx", "truncate"),
        (qwen(truncate=False), "to_llama_cpp", "ramp"),
        (qwen(blend="geometric"), "to_hf", "has no blend"),
        (replace(qwen(), max_seq_len=LENGTH + 1), "to_vllm", "131072 tokens"),
        (stack("m", replace(TINY, scaling=phasor.scaling.resonance())), "to_hf", "no rope_type"),
        (
            stack("m", replace(TINY, sections=SectionsSpec(sizes=(16, 8, 8)))),
            "to_mlx",
            "several axes",
        ),
        (replace(stack("m", TINY), towers=(stack("eye", TINY),)), "to_hf", "eye among them"),
        (stack("m", replace(TINY, layout="half"), chunk=64), "to_llama_cpp", "chunks"),
        (PositionSpec(model="m", layers=(LayerSpec(),)), "to_hf", "no layer turns"),
    ],
)
def test_what_a_target_cannot_do_is_refused_by_name(
    spec: PositionSpec, method: str, part: str
) -> None:
    with pytest.raises(ArgumentError, match=part):
        getattr(spec, method)()


def test_a_version_of_transformers_that_is_unknown() -> None:
    with pytest.raises(ArgumentError, match="4 or 5, got 6"):
        stack("m", TINY).to_hf(6)  # type: ignore[arg-type]

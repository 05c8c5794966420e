"""How the keys of a GGUF file act, against the formulas of llama.cpp written down once more.

The formulas are those of `ggml_rope_cache_init` and `ggml_rope_yarn_corr_dims` in ggml, of the
constructor in `src/llama-context.cpp`, and of `src/models/deepseek2.cpp`, in numpy; nothing in them
is phasor's.
"""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.gguf_writing import small, write_metadata

import phasor
from phasor._read import examine
from phasor._read.gguf_models import GGUF_MODELS
from phasor.errors import ArgumentError, PhasorError
from phasor.spec import (
    ALiBiSpec,
    LayerSpec,
    LearnedSpec,
    PositionSpec,
    QueryTemperatureSpec,
    RotarySpec,
)

FREQS, LONG, SHORT = "rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"


def read(folder: Path, model: str, tensors: Any = None, **values: Any) -> PositionSpec:
    return examine(write_metadata(folder / "a.gguf", model, small(model, **values), tensors)).spec


def rotary_of(layer: LayerSpec) -> RotarySpec:
    (found,) = (each for each in layer.encodings if isinstance(each, RotarySpec))
    return found


def rotations(spec: PositionSpec) -> list[RotarySpec]:
    encodings = [each for layer in spec.layers for each in layer.encodings]
    return [each for each in encodings if isinstance(each, RotarySpec)]


def angles_of_llama_cpp(
    keys: dict[str, Any], width: int, factors: np.ndarray | None, *, deepseek2: bool, betas: bool
) -> tuple[np.ndarray, float, float]:
    """Angle of each pair at position 1, the gain on cos and sin, and DeepSeek's on the softmax."""
    kind = keys.get("rope.scaling.type", "linear")
    factor = keys.get("rope.scaling.factor", keys.get("rope.scale_linear", 0.0))
    scale = 1.0 if factor == 0 or kind == "none" else 1 / factor
    log_mul = keys.get("rope.scaling.yarn_log_multiplier", 0.0) / (0.1 if deepseek2 else 1.0)
    extrapolated = kind == "yarn"
    attention = 1.0
    if extrapolated:

        def mscale(m: float) -> float:
            return 1.0 if 1 / scale <= 1 else 0.1 * m * math.log(1 / scale) + 1

        first = log_mul if deepseek2 and log_mul != 1 else 1.0
        attention = mscale(first) / mscale(log_mul) if log_mul else mscale(1.0)
        attention /= 1 + 0.1 * math.log(1 / scale)
    attention *= keys.get("rope.scaling.attn_factor", 1.0)
    undone = attention * (1 + 0.1 * math.log(1 / scale))
    softmax = (undone * (1 + 0.1 * log_mul * math.log(1 / scale))) ** 2
    base, length = keys["rope.freq_base"], keys["rope.scaling.original_context_length"]
    plain = base ** (-np.arange(0, width, 2) / width)
    angle = plain if factors is None else plain / factors
    if not extrapolated:
        return angle * scale, attention, softmax

    def corner(turns: float) -> float:
        return width * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(base))

    fast = keys.get("rope.scaling.yarn_beta_fast", 32.0) if betas else 32.0
    slow = keys.get("rope.scaling.yarn_beta_slow", 1.0) if betas else 1.0
    low, high = max(0, math.floor(corner(fast))), min(width - 1, math.ceil(corner(slow)))
    ramp = 1 - np.clip((np.arange(width // 2) - low) / max(0.001, high - low), 0, 1)
    return angle * (scale * (1 - ramp) + ramp), undone, softmax


@pytest.mark.parametrize("seed", range(60))
def test_scalings_are_those_of_llama_cpp(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    model = draw.choice(["llama", "qwen2", "mistral3", "deepseek2", "phi3", "arcee", "glm4"])
    kind = draw.choice(["none", "linear", "yarn", None])
    keys: dict[str, Any] = {
        "rope.freq_base": float(draw.choice([10_000, 500_000])),
        "rope.scaling.original_context_length": draw.choice([2048, 4096]),
    }
    if kind is not None:
        keys["rope.scaling.type"] = kind
    if draw.random() < 0.8:
        name = draw.choice(["rope.scaling.factor", "rope.scale_linear"])
        keys[name] = float(draw.choice([0.0, 1.0, 2.0, 8.0] if kind == "yarn" else [0.5, 4.0]))
    if draw.random() < 0.3:
        keys["rope.scaling.attn_factor"] = 1.25
    if model == "mistral3" and kind == "yarn":
        keys |= {"rope.scaling.yarn_beta_fast": 16.0, "rope.scaling.yarn_beta_slow": 2.0}
    if model in ("mistral3", "deepseek2") and draw.random() < 0.6:
        keys["rope.scaling.yarn_log_multiplier"] = draw.choice([1.0, 0.707, 0.0]) * (
            0.1 if model == "deepseek2" else 1.0
        )
    width = draw.choice([32, 64]) if model in ("qwen2", "glm4", "deepseek2") else 64
    keys["rope.dimension_count"] = width
    numbers = None
    if model in ("llama", "arcee") and kind != "yarn" and draw.random() < 0.5:
        numbers = np.linspace(1, 8, width // 2, dtype=np.float32)
    spec = read(
        tmp_path, model, None if numbers is None else {FREQS: numbers.tolist()},
        **{name.replace(".", "__"): value for name, value in keys.items()},
    )  # fmt: skip
    angle, gain, softmax = angles_of_llama_cpp(
        keys, width, numbers, deepseek2=model == "deepseek2", betas=model == "mistral3"
    )
    rotary = rotary_of(spec.layers[0])
    turning = rotary.build().frequencies
    torch.testing.assert_close(turning.inv_freq[0], torch.tensor(angle), rtol=1e-6, atol=0)
    assert turning.attention_scale == pytest.approx(gain, rel=1e-6)
    scale = (spec.layers[0].score_scale or 64**-0.5) * turning.softmax_scale
    wanted = softmax if model == "deepseek2" else 1.0
    assert scale == pytest.approx(wanted * 64**-0.5, rel=1e-6)


def test_longrope_is_read_from_its_tensors(tmp_path: Path) -> None:
    lists = {
        LONG: [2.0 + pair for pair in range(32)],
        SHORT: [1.0 + pair / 32 for pair in range(32)],
    }
    spec = read(
        tmp_path, "phi3", lists, rope__scaling__attn_factor=1.19,
        rope__scaling__original_context_length=4096,
    )  # fmt: skip
    rotary = rotary_of(spec.layers[0]).build()
    plain = 10_000.0 ** (-torch.arange(0, 64, 2).double() / 64)
    for length, name in ((4096, SHORT), (4097, LONG)):
        turning = rotary.at(length).frequencies
        wanted = plain / torch.tensor(lists[name]).double()
        torch.testing.assert_close(turning.inv_freq[0], wanted, rtol=1e-6, atol=0)
        assert turning.attention_scale == pytest.approx(1.19)
    # llama.cpp's llama.cpp reads the lists where the type says so, else the one list.
    typed = read(tmp_path, "llama", lists, rope__scaling__type="longrope")
    assert rotary_of(typed.layers[0]).build().length_scaling is not None
    with pytest.raises(ArgumentError, match="must be both"):
        read(tmp_path, "phi3", {LONG: lists[LONG]})
    with pytest.raises(ArgumentError, match=r"is not read by llama\.cpp for qwen2"):
        read(tmp_path, "qwen2", lists)


def test_factors_of_another_number_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"a\.gguf: .*one factor for each pair"):
        read(tmp_path, "llama", {FREQS: [1.0] * 31})


def test_windows_and_layers_without_rotation(tmp_path: Path) -> None:
    # By set_swa_pattern in src/llama-hparams.cpp, and the files of the architectures.
    gemma = read(tmp_path, "gemma3", layers=12, attention__sliding_window=512)
    assert [layer.window for layer in gemma.layers] == ([512] * 5 + [None]) * 2
    flipped = read(
        tmp_path, "gemma3", attention__sliding_window=512,
        attention__sliding_window_pattern=[False, True, True, False],
    )  # fmt: skip
    assert [layer.window for layer in flipped.layers] == [None, 512, 512, None]
    cohere = read(
        tmp_path, "cohere2", attention__sliding_window=512, attention__sliding_window_pattern=2
    )
    assert [layer.window for layer in cohere.layers] == [512, None] * 2
    assert [bool(layer.encodings) for layer in cohere.layers] == [True, False] * 2
    modern = read(tmp_path, "modern-bert", attention__sliding_window=128, attention__causal=False)
    assert [layer.window for layer in modern.layers] == [None, 129, 129, None]
    assert not modern.causal
    llama4 = read(tmp_path, "llama4")
    assert [layer.chunk for layer in llama4.layers] == [8192] * 3 + [None]
    assert llama4.layers[3].encodings == (
        QueryTemperatureSpec(original_seq_len=8192, coefficient=0.1, offset=1),
    )
    # No chunks, no temperature, and a step of all layers: the last one does not turn.
    whole = read(tmp_path, "llama4", attention__sliding_window=0)
    assert [layer.chunk for layer in whole.layers] == [None] * 4
    assert [len(layer.encodings) for layer in whole.layers] == [1, 1, 1, 0]
    other = read(
        tmp_path, "llama4", attention__sliding_window=512,
        attention__sliding_window_pattern=2, rope__freq_base_swa=5000.0,
    )  # fmt: skip
    assert [layer.chunk for layer in other.layers] == [8192, None] * 2
    bases = [rotary_of(layer).frequencies.build().base for layer in other.layers[:3]]
    assert bases == [5000.0, 10_000.0, 5000.0]
    lfm = read(tmp_path, "lfm2", attention__head_count_kv=[0, 2, 0, 2])
    assert [bool(layer.encodings) for layer in lfm.layers] == [False, True] * 2
    still = read(tmp_path, "granite", rope__scaling__finetuned=False)
    assert not any(layer.encodings for layer in still.layers)
    assert rotary_of(read(tmp_path, "granite").layers[0])
    assert len(read(tmp_path, "glm4moe", nextn_predict_layers=1).layers) == 3


def test_what_enters_at_the_score_and_the_embedding(tmp_path: Path) -> None:
    for model, values in {
        "bloom": {},
        "refact": {},
        "mpt": {"attention__max_alibi_bias": 8.0},
    }.items():
        spec = read(tmp_path, model, **values)
        assert spec.layers[0].encodings == (ALiBiSpec(num_heads=4),)
    learned = LearnedSpec(num_positions=8192, dim=256)
    assert read(tmp_path, "gpt2").embedding == learned
    assert read(tmp_path, "mpt").embedding is None
    with pytest.raises(ArgumentError, match="max_alibi_bias must be 0 or 8"):
        read(tmp_path, "mpt", attention__max_alibi_bias=16.0)
    granite = read(tmp_path, "granite", attention__scale=0.0625)
    assert granite.layers[0].score_scale == 0.0625
    with pytest.raises(ArgumentError, match=r"attention\.scale 0\.0625 is not read"):
        read(tmp_path, "llama", attention__scale=0.0625)
    wide = read(
        tmp_path, "gemma4", attention__key_length=128, attention__key_length_swa=64,
        rope__dimension_count=128, rope__dimension_count_swa=32, rope__freq_base_swa=5000.0,
        attention__sliding_window=256, attention__sliding_window_pattern=[True, True, True, False],
    )  # fmt: skip
    near, far = rotary_of(wide.layers[0]), rotary_of(wide.layers[3])
    assert (near.head_dim, near.frequencies.build().rotary_dim) == (64, 32)
    assert (near.frequencies.build().base, far.head_dim) == (5000.0, 128)


def test_a_multimodal_file_has_its_sections(tmp_path: Path) -> None:
    spec = read(tmp_path, "qwen2vl", rope__dimension_sections=[8, 12, 12, 0])
    sections = rotary_of(spec.layers[0]).sections
    assert sections is not None
    assert (sections.sizes, sections.order) == ((8, 12, 12), "chunked")
    with pytest.raises(ArgumentError, match="dimension_sections is missing"):
        read(tmp_path, "qwen2vl")
    with pytest.raises(ArgumentError, match="dimension_sections must be three whole numbers"):
        read(tmp_path, "qwen2vl", rope__dimension_sections=[8, 12, 6, 6])
    path = write_metadata(
        tmp_path / "b.gguf", "qwen3vl", small("qwen3vl", rope__dimension_sections=[12, 10, 10, 0])
    )
    (note,) = examine(path).notes
    # ggml_mrope_cache_init: pair 31 is neither 3n with 3n < 36 nor within 30 of the two others.
    assert "the pairs [31] by a fourth position" in note


_PARTS = ["rope", "attention", "rope.scaling", "attention.indexer"]


@pytest.mark.parametrize("model", GGUF_MODELS)
def test_what_is_left_unread_is_doubted(model: str, tmp_path: Path) -> None:
    draw = random.Random(model)
    names = [f"{draw.choice(_PARTS)}.{draw.choice('abcdefgh')}{draw.random()}" for _ in range(3)]
    names += ["attention.indexer.head_count", "rope.scaling.beta"]
    needed: dict[str, Any] = {
        "attention.sliding_window": 512,
        "attention.sliding_window_pattern": [True, False, True, False],
        "rope.dimension_sections": [12, 10, 10, 0],
    }
    row = GGUF_MODELS[model]
    kept = {
        name: value for name, value in needed.items()
        if (row.windows is not None and "window" in name and row.windows.only_layers is None
            and row.windows.pattern != 0) or (row.sections is not None and "sections" in name)
    }  # fmt: skip
    usual = small(model) | {f"{model}.{name}": value for name, value in kept.items()}
    plain = examine(write_metadata(tmp_path / "plain.gguf", model, usual), strict=False)
    doubts = [note for note in plain.notes if "is not read by llama.cpp" in note]
    assert not doubts
    for name in names:
        path = write_metadata(tmp_path / "odd.gguf", model, {**usual, f"{model}.{name}": 7})
        turns = bool(rotations(plain.spec))
        if turns or not name.startswith("rope."):
            with pytest.raises(ArgumentError, match=f"{name} 7 is not read by llama.cpp for"):
                phasor.read(path)
        said = examine(path, strict=False).notes
        assert any(f"{name} 7" in note for note in said)
    other = write_metadata(tmp_path / "b.gguf", model, {**usual, "wave.rope.freq_base": 5e5})
    with pytest.raises(ArgumentError, match=r"wave\.rope\.freq_base 500000\.0 is not read"):
        phasor.read(other)


def test_what_says_nothing_is_not_doubted(tmp_path: Path) -> None:
    spec = read(
        tmp_path, "qwen2", attention__sliding_window=0, attention__scale=0.0,
        attention__sliding_window_pattern=[False] * 4, attention__causal=True,
        rope__scaling__yarn_beta_fast=32.0, rope__scaling__yarn_log_multiplier=0.0,
        rope__scaling__type="none", rope__scaling__factor=4.0,
        attention__layer_norm_rms_epsilon=1e-5,
        attention__value_length=64, rope__scaling__finetuned=False,
    )  # fmt: skip
    assert rotary_of(spec.layers[0]).scaling is None
    path = write_metadata(
        tmp_path / "b.gguf", "llama", {**small("llama"), "clip.vision.attention.head_count": 16}
    )
    assert examine(path).notes == ()


def test_a_gain_that_is_stated_and_not_taken_is_doubted(tmp_path: Path) -> None:
    yarn = {"rope__scaling__type": "yarn", "rope__scaling__factor": 4.0}
    gain = 1 + 0.1 * math.log(4)
    read(tmp_path, "qwen2", **yarn, rope__scaling__yarn_attn_factor=gain)
    with pytest.raises(ArgumentError, match=r"yarn_attn_factor 1\.0 is not read .* takes 1\.13863"):
        read(tmp_path, "qwen2", **yarn, rope__scaling__yarn_attn_factor=1.0)
    with pytest.raises(ArgumentError, match=r"yarn_beta_fast 1\.0 is not read"):
        read(tmp_path, "deepseek2", **yarn, rope__scaling__yarn_beta_fast=1.0)


_ODD = [None, True, -1, 0, 1, 3, 7.5, -2.0, float("nan"), float("inf"), "yarn", "longrope", "wave",
        2**31, [1, 2, 3, 4], [0.5], ["a"], [True, False]]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_odd_values_are_a_sentence(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    refused = unnamed = 0
    for at in range(60):
        model = draw.choice(list(GGUF_MODELS))
        values = small(model, layers=draw.choice([4, 32, 40, 46, 62, 64]))
        names = [
            "attention.key_length", "attention.sliding_window", "attention.sliding_window_pattern",
            "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor", "rope.freq_base",
            "rope.scaling.attn_factor", "rope.dimension_sections", "attention.head_count_kv",
            "attention.head_count", "rope.scale_linear", "attention.scale", "context_length",
            "rope.freq_base_swa", "attention.temperature_scale", "attention.causal",
            "attention.temperature_length", "rope.scaling.yarn_log_multiplier", "block_count",
            "attention.max_alibi_bias", "rope.scaling.original_context_length",
            "rope.scaling.yarn_attn_factor", "nextn_predict_layers", "attention.key_length_mla",
        ]  # fmt: skip
        for name in draw.sample(names, 3):
            value = draw.choice(_ODD)
            values.pop(f"{model}.{name}", None)
            if value is not None and not (isinstance(value, int) and value < 0):
                values[f"{model}.{name}"] = value
        path = write_metadata(tmp_path / f"{at}.gguf", model, values)
        for strict in (True, False):
            try:
                examine(path, strict=strict)
            except PhasorError as error:
                refused += 1
                unnamed += str(path) not in str(error)
    assert refused > 20
    assert not unnamed

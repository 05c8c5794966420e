"""Configs as they were published, on tiny models: read, and as transformers runs them.

Sizes are small; what is about position is as published, or as another published config of the same
kind has it where the name says so. Lists of factors are cut to the pairs of a small head.
"""

import copy
import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
from checkpoints.differential import SAME, judged
from checkpoints.tiny import Subject, subjects

import phasor
from phasor._inspect import inspect
from phasor._inspect.source import open_source
from phasor._read import examine
from phasor.errors import ArgumentError
from phasor.spec import RotarySpec

YARN = {"rope_type": "yarn", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
KIMI = {
    "rope_theta": 50_000.0,
    "max_position_embeddings": 131_072,
    "rope_scaling": {
        "beta_fast": 1.0,
        "beta_slow": 1.0,
        "factor": 32.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
        "type": "yarn",
    },
}
LISTS = {
    "type": "longrope",
    "short_factor": [1.0 + 0.02 * pair for pair in range(16)],
    "long_factor": [1.0 + 0.9 * pair for pair in range(16)],
}
PHI = {
    **LISTS,
    "short_mscale": 1.243163121016122,
    "long_mscale": 1.243163121016122,
    "original_max_position_embeddings": 4096,
}
NOMIC = {
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None,
    "max_trained_positions": 2048,
}
MIMO = {"rope_theta": 5e6, "swa_rope_theta": 1e4, "partial_rotary_factor": 0.334, "head_dim": 192}
PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "Kimi K2": ("DeepseekV3Config", KIMI),
    "Phi 3.5 MoE": (
        "PhimoeConfig",
        {"rope_theta": 1e4, "max_position_embeddings": 131_072, "rope_scaling": PHI},
    ),
    "Phi 3.5 MoE, past the original length": (
        "PhimoeConfig",
        {
            "rope_theta": 1e4,
            "max_position_embeddings": 256,
            "rope_scaling": {**PHI, "original_max_position_embeddings": 64, "long_mscale": 1.5},
        },
    ),
    "Yarn Llama 2": (
        "LlamaConfig",
        {
            "max_position_embeddings": 65_536,
            "rope_scaling": {
                "factor": 16.0,
                "original_max_position_embeddings": 4096,
                "type": "yarn",
                "finetuned": True,
            },
        },
    ),
    "nomic embed": ("NomicBertConfig", NOMIC),
    "MiMo V2": ("MiMoV2FlashConfig", MIMO),
    "Polaris": (
        "Qwen3Config",
        {
            "rope_scaling": {
                "rope_type": "yarn",
                "attn_factor": 0.8782488562869419,
                "factor": 1.5,
                "original_max_position_embeddings": 65_536,
            },
            "max_position_embeddings": 98_304,
        },
    ),
    "an original length beside YaRN": (
        "LlamaConfig",
        {"original_max_position_embeddings": 64, "rope_scaling": YARN},
    ),
    "an original length beside Llama 3's": (
        "LlamaConfig",
        {"original_max_position_embeddings": 64, "rope_scaling": LLAMA3},
    ),
    "another original length among the parameters": (
        "MistralConfig",
        {
            "original_max_position_embeddings": 64,
            "rope_parameters": {**YARN, "original_max_position_embeddings": 128},
        },
    ),
    "ESM, scaled": (
        "EsmConfig",
        {"rope_scaling": {"type": "linear", "factor": 4.0}},
    ),
    "GPT-J, scaled": ("GPTJConfig", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "RoFormer, scaled": (
        "RoFormerConfig",
        {"rope_scaling": {**YARN, "original_max_position_embeddings": 64}},
    ),
    "wav2vec2-bert, scaled": (
        "Wav2Vec2BertConfig",
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}},
    ),
    "Mistral Large 4, some layers without rotation": (
        "MistralLarge4TextConfig",
        {
            "rope_scaling": {
                **YARN,
                "rope_theta": 1e4,
                "mscale_all_dim": 1.0,
                "original_max_position_embeddings": 64,
            },
            "num_hidden_layers": 5,
        },
    ),
    "nanochat, scaled by length": (
        "NanoChatConfig",
        {"rope_scaling": {**LISTS, "factor": 2.0, "original_max_position_embeddings": 64}},
    ),
}
SUBJECTS = subjects()
LLAMA = {"model_type": "llama", "hidden_size": 256, "num_attention_heads": 4}


def config_of(subject: Subject, published: dict[str, Any]) -> dict[str, Any]:
    sizes = copy.deepcopy(subject.arguments())
    if "rope_scaling" in published:
        sizes.pop("rope_parameters", None)
    return {"model_type": subject.config_class.model_type, **sizes, **copy.deepcopy(published)}


def first_rotary(spec: phasor.PositionSpec) -> RotarySpec:
    return next(e for e in spec.layers[0].encodings if isinstance(e, RotarySpec))


@pytest.mark.parametrize(("name", "published"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_published_config_is_read_as_transformers_runs_it(
    name: str, published: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers
        found = judged(SUBJECTS[name], config_of(SUBJECTS[name], published))
    assert (found.outcome, found.reason) == (SAME, "")


@pytest.mark.parametrize(
    ("name", "published", "note"),
    [
        ("PhimoeConfig", {"rope_scaling": PHI}, "long_factor is ignored"),
        ("LlamaConfig", PUBLISHED["Yarn Llama 2"][1], "finetuned True is ignored"),
        ("Qwen3Config", PUBLISHED["Polaris"][1], "attn_factor 0.8782488562869419 is ignored"),
        ("EsmConfig", PUBLISHED["ESM, scaled"][1], "rope_type 'linear' is ignored"),
        ("MiMoV2FlashConfig", {**MIMO, "swa_rope_theta": 2e4}, "swa_rope_theta 20000.0 is ignored"),
        ("NomicBertConfig", {**NOMIC, "rotary_emb_base": 1e4}, "rotary_emb_base 10000.0 is"),
        (
            "MistralConfig",
            PUBLISHED["another original length among the parameters"][1],
            "original_max_position_embeddings 128 is ignored: 64 beside it is taken",
        ),
    ],
)
def test_what_transformers_leaves_out_is_named(
    name: str, published: dict[str, Any], note: str
) -> None:
    notes = examine(config_of(SUBJECTS[name], published)).notes
    assert any(note in said for said in notes), notes


@pytest.mark.parametrize("name", ["nomic embed", "MiMo V2", "Kimi K2"])
def test_nothing_else_is_said_of_what_is_as_it_should_be(name: str) -> None:
    notes = examine(config_of(SUBJECTS[PUBLISHED[name][0]], PUBLISHED[name][1])).notes
    assert not any("ignored" in said or "known" in said for said in notes), notes


def test_the_gain_of_phi_3_5_moe_is_that_of_its_config() -> None:
    """Of the two lengths alone it would be 1.19.

    Both gains in its config are sqrt(17 / 11), what the lengths 131,072 and 2,048 give. Its code in
    transformers multiplies cos and sin by one of them, whatever the length, and by nothing else.
    """
    assert PHI["short_mscale"] == PHI["long_mscale"] == pytest.approx((17 / 11) ** 0.5, abs=1e-15)
    assert (1 + math.log(131_072 / 2048) / math.log(2048)) ** 0.5 == pytest.approx((17 / 11) ** 0.5)
    name, published = PUBLISHED["Phi 3.5 MoE"]
    rotary = first_rotary(examine(config_of(SUBJECTS[name], published)).spec).build()
    for seq_len in (100, 5000):
        assert rotary.at(seq_len).frequencies.attention_scale == 1.243163121016122


def test_phi_3_5_moe_with_another_type_is_refused() -> None:
    """Its code multiplies every type by the two gains, at two lengths."""
    scaling = {**YARN, "short_mscale": 1.1, "long_mscale": 1.3}
    config = config_of(SUBJECTS["PhimoeConfig"], {"rope_scaling": scaling})
    with pytest.raises(ArgumentError, match="multiplies it by short_mscale and long_mscale"):
        phasor.read(config)


def test_the_class_of_an_unknown_type_is_named() -> None:
    """Kimi K2 is published with a type of its own and DeepSeek's class."""
    known = config_of(SUBJECTS["DeepseekV3Config"], KIMI)
    config = {**known, "model_type": "kimi_k2", "architectures": ["DeepseekV3ForCausalLM"]}
    with pytest.raises(ArgumentError, match="has its class DeepseekV3ForCausalLM for deepseek_v3"):
        phasor.read(config)
    assert examine(config, strict=False).spec == examine(known).spec


@pytest.mark.parametrize("value", [None, False, 1, 1.0, "default"])
def test_what_is_neutral_is_no_doubt(value: Any) -> None:
    scaling = {"type": "linear", "factor": 2.0, "extrapolation_factor": value}
    reading = examine({**LLAMA, "rope_scaling": scaling, "rotary_emb_something": value})
    assert reading.notes == ()


@pytest.mark.parametrize("value", [True, 0.5, 2, "linear", [1.0], 0])
def test_what_is_not_neutral_is_doubted(value: Any) -> None:
    for config in (
        {"rotary_emb_something": value},
        {"rope_scaling": {"type": "linear", "factor": 2.0, "extrapolation_factor": value}},
        {"use_rope": False},
    ):
        with pytest.raises(ArgumentError, match="strict=False reads on"):
            phasor.read({**LLAMA, **config})


@pytest.mark.parametrize("model_type", ["bamba", "nemotron_h", "granitemoehybrid", "falcon_h1"])
def test_infinity_is_a_number_as_for_transformers(tmp_path: Path, model_type: str) -> None:
    from transformers import AutoConfig

    limit = {"model_type": model_type, "time_step_limit": [0.0, float("inf")]}
    (tmp_path / "config.json").write_text(json.dumps(limit))
    assert "Infinity" in (tmp_path / "config.json").read_text()
    expected = examine(AutoConfig.from_pretrained(tmp_path, local_files_only=True)).spec
    assert examine(tmp_path).spec == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rope_theta", float("inf")),
        ("rope_theta", float("nan")),
        ("rope_scaling", {"type": "linear", "factor": float("inf")}),
        ("rope_scaling", {**YARN, "attention_factor": float("nan")}),
        ("rope_scaling", {**LLAMA3, "low_freq_factor": float("nan")}),
        ("partial_rotary_factor", float("nan")),
    ],
)
def test_a_number_about_position_is_finite(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LLAMA, name: value}))
    with pytest.raises(ArgumentError) as error:
        phasor.read(path)
    assert "nan" in str(error.value) or "inf" in str(error.value)
    assert "\n" not in str(error.value)


def hub_cache(root: Path, config: dict[str, Any]) -> Path:
    """A snapshot as huggingface_hub lays it out."""
    repository = root / "models--somebody--something"
    blob = repository / "blobs" / "0123456789abcdef"
    snapshot = repository / "snapshots" / "89abcdef01234567"
    blob.parent.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    blob.write_text(json.dumps(config))
    (snapshot / "config.json").symlink_to(Path("..") / ".." / "blobs" / blob.name)
    return snapshot


def test_a_snapshot_of_the_hub_cache_is_a_folder(tmp_path: Path) -> None:
    snapshot = hub_cache(tmp_path, LLAMA)
    assert phasor.read(snapshot) == phasor.read(dict(LLAMA))
    inner = snapshot / "inner"
    inner.mkdir()
    (inner / "config.json").symlink_to("../../../blobs/0123456789abcdef")
    assert phasor.read(inner) == phasor.read(dict(LLAMA))
    linked = tmp_path / "linked"
    linked.symlink_to(snapshot)
    assert phasor.read(linked) == phasor.read(dict(LLAMA))


def test_blobs_of_another_model_are_not_in_the_folder(tmp_path: Path) -> None:
    other = hub_cache(tmp_path / "other", LLAMA)
    snapshot = hub_cache(tmp_path / "own", LLAMA)
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to((other / "config.json").resolve())
    with pytest.raises(ArgumentError, match="outside of that folder"):
        phasor.read(snapshot)


def test_the_finding_about_attn_factor_is_reached(tmp_path: Path) -> None:
    subject = SUBJECTS["Qwen3Config"]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config_of(subject, PUBLISHED["Polaris"][1])))
    opened = open_source(path)
    found = inspect(opened.spec, config=opened.config, notes=opened.notes).findings
    assert "attn-factor" in {finding.code for finding in found}


@pytest.mark.parametrize(
    ("name", "published", "message"),
    [
        (
            "GPTNeoXConfig",
            {"rope_scaling": {**YARN, "partial_rotary_factor": 0.3}},
            "rope_type 'yarn' with 9 turning channels",
        ),
        (
            "HunYuanVLTextConfig",
            {"rope_scaling": {"type": "proportional", "mrope_section": [4, 4, 4, 4]}},
            "one geometric progression alone",
        ),
        (
            "DeepseekV3Config",
            {"rope_scaling": {"type": "linear", "factor": 2.0, "mscale_all_dim": 1.0}},
            "scales the softmax by it",
        ),
    ],
)
def test_what_no_spec_holds_is_refused(name: str, published: dict[str, Any], message: str) -> None:
    """Transformers runs these."""
    with pytest.raises(ArgumentError, match=message):
        phasor.read(config_of(SUBJECTS[name], published))

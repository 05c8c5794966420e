"""What a config says of attention, and transformers drops."""

import json
import logging
import warnings
from typing import Any

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import phasor
from phasor._inspect import inspect
from phasor._read import architectures, examine
from phasor.errors import ArgumentError
from phasor.spec import PositionSpec

# As Qwen/Qwen2.5-7B-Instruct-1M publishes it; trained on 262,144 tokens by arXiv:2501.15383.
QWEN_1M: dict[str, Any] = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "num_hidden_layers": 28,
    "max_position_embeddings": 1_010_000,
    "rope_theta": 10_000_000.0,
    "dual_chunk_attention_config": {
        "chunk_size": 262_144,
        "local_size": 8192,
        "original_max_position_embeddings": 262_144,
    },
}


def test_dual_chunk_attention_gives_the_trained_length() -> None:
    with pytest.warns(UserWarning, match="dual_chunk_attention_config is ignored: transformers"):
        spec = phasor.read(dict(QWEN_1M))
    assert (spec.max_seq_len, spec.trained_seq_len) == (1_010_000, 262_144)
    found = inspect(spec, config=QWEN_1M)
    (rotation,) = found.rotations
    assert (rotation.trained_length, rotation.trained_from) == (262_144, "trained_seq_len")
    levels = {finding.code: finding.level for finding in found.findings}
    assert levels["dual-chunk-attention"] == levels["unseen-angles"] == "warning"
    assert PositionSpec.from_json(spec.to_json()) == spec


def test_without_it_the_longest_length_is_the_trained_one() -> None:
    plain = {name: value for name, value in QWEN_1M.items() if "dual" not in name}
    spec = phasor.read(plain)
    assert spec.trained_seq_len is None
    assert "trained_seq_len" not in spec.to_json()
    (sentence,) = spec.diff(examine(dict(QWEN_1M)).spec)
    assert sentence == "trained_seq_len is none in the first, 262144 in the second"
    codes = {finding.code for finding in inspect(spec, config=plain).findings}
    assert not codes & {"dual-chunk-attention", "unseen-angles"}


@pytest.mark.parametrize("value", [3, {"original_max_position_embeddings": "long"}])
def test_dual_chunk_attention_of_a_wrong_kind(value: Any) -> None:
    with pytest.raises(ArgumentError, match="must be"):
        phasor.read({**QWEN_1M, "dual_chunk_attention_config": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sparse_attention_config", {"block_size": 64}),
        ("attn_config", {"rope": True}),
        ("attention_window", 512),
        ("sliding_window_layers", [1]),
        ("attention_chunk_size", 8192),
        ("position_embedding_type", "relative_key_query"),
        ("use_dynamic_ntk", True),
        ("use_logn_attn", True),
        ("self_extend_group", 4),
        ("yarn_factor", 4.0),
        ("relative_attention", True),
        ("window_size", 128),
    ],
)
def test_what_is_said_of_attention_and_not_read_is_doubted(name: str, value: Any) -> None:
    config = {"model_type": "llama", "num_hidden_layers": 2}
    with pytest.raises(ArgumentError, match=f"{name} .* is not known to this architecture"):
        phasor.read({**config, name: value})
    with pytest.warns(UserWarning, match=name):
        spec = phasor.read({**config, name: value}, strict=False)
    assert spec == phasor.read(config)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position_embedding_type", "absolute"),
        ("attention_window", None),
        ("use_logn_attn", False),
        ("attn_implementation", "flash_attention_2"),
        ("attention_dropout", 0.1),
        ("attention_bias", True),
        ("use_flash_attn", True),
    ],
)
def test_what_changes_nothing_is_no_doubt(name: str, value: Any) -> None:
    config = {"model_type": "bert", "num_hidden_layers": 2}
    assert phasor.read({**config, name: value}) == phasor.read(config)


def test_no_architecture_doubts_its_own_names() -> None:
    logging.disable(logging.WARNING)
    doubted, read = {}, 0
    for name, row in architectures.architectures().items():
        if name not in CONFIG_MAPPING or row.mechanism == "unsupported":
            continue
        try:
            config = json.loads(CONFIG_MAPPING[name]().to_json_string())
        except Exception:  # some defaults do not fit each other
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                examine(config)
            read += 1
        except ArgumentError as error:
            if "is not known to this architecture" in str(error):
                doubted[name] = str(error)
    logging.disable(logging.NOTSET)
    assert doubted == {}
    assert read > 300

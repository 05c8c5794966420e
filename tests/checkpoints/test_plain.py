"""Without transformers a few architectures are read, to the same spec; the others need it."""

import copy
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from checkpoints.test_hostile import CONFIGS, WRONG, places

import phasor
from phasor._read import Reading, examine
from phasor._read.plain import DEFAULTS
from phasor.errors import ArgumentError, PhasorError

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
# As published, without what does not concern position.
# fmt: off
PUBLISHED: dict[str, dict[str, Any]] = {
    "Llama 2 7B": {"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32,
                   "num_hidden_layers": 32, "num_key_value_heads": 32, "rope_scaling": None,
                   "max_position_embeddings": 4096},
    "Llama 3.2 1B": {"model_type": "llama", "hidden_size": 2048, "num_attention_heads": 32,
                     "num_hidden_layers": 16, "num_key_value_heads": 8, "head_dim": 64,
                     "max_position_embeddings": 131072, "rope_theta": 500000.0,
                     "rope_scaling": LLAMA3},
    "SmolLM2 135M": {"model_type": "llama", "hidden_size": 576, "num_attention_heads": 9,
                     "num_hidden_layers": 30, "num_key_value_heads": 3, "rope_theta": 100000,
                     "max_position_embeddings": 8192, "rope_interleaved": False},
    "Mistral 7B v0.1": {"model_type": "mistral", "hidden_size": 4096, "num_attention_heads": 32,
                        "num_hidden_layers": 32, "sliding_window": 4096, "rope_theta": 10000.0,
                        "max_position_embeddings": 32768},
    "Mistral Nemo": {"model_type": "mistral", "hidden_size": 5120, "num_attention_heads": 32,
                     "num_hidden_layers": 40, "head_dim": 128, "sliding_window": None,
                     "rope_theta": 1000000.0, "max_position_embeddings": 1024000},
    "Mixtral 8x7B": {"model_type": "mixtral", "hidden_size": 4096, "num_attention_heads": 32,
                     "num_hidden_layers": 32, "rope_theta": 1000000.0, "sliding_window": None,
                     "max_position_embeddings": 32768},
    "Qwen2.5 7B": {"model_type": "qwen2", "hidden_size": 3584, "num_attention_heads": 28,
                   "num_hidden_layers": 28, "max_window_layers": 28, "rope_theta": 1000000.0,
                   "sliding_window": 131072, "use_sliding_window": False,
                   "max_position_embeddings": 32768},
    "Qwen2.5 7B, long": {"model_type": "qwen2", "hidden_size": 3584, "num_attention_heads": 28,
                         "num_hidden_layers": 28, "rope_theta": 1000000.0, "rope_scaling": YARN,
                         "max_position_embeddings": 131072},
    "Qwen3 0.6B": {"model_type": "qwen3", "hidden_size": 1024, "num_attention_heads": 16,
                   "head_dim": 128, "num_hidden_layers": 28, "rope_theta": 1000000,
                   "rope_scaling": None, "max_position_embeddings": 40960,
                   "sliding_window": None, "use_sliding_window": False},
    "Gemma 2B": {"model_type": "gemma", "hidden_size": 2048, "num_attention_heads": 8,
                 "head_dim": 256, "num_hidden_layers": 18, "rope_theta": 10000.0,
                 "max_position_embeddings": 8192},
}
VARIED: list[dict[str, Any]] = [
    {},
    {"rope_theta": 7e5},
    {"rope_theta": 7e5, "rope_parameters": {"rope_type": "default", "rope_theta": 3e4}},
    {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 3e4}},
    {"rope_scaling": {"type": "linear", "factor": 2}, "rope_theta": 5e4},
    {"rope_scaling": {}, "rope_parameters": {"rope_theta": 2e4}},
    {"rope_scaling": {"type": "dynamic", "factor": 3.0}, "max_position_embeddings": 99},
    {"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "beta_fast": 16}},
    {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": None}},
    {"rope_scaling": LLAMA3, "rope_theta": None},
    {"partial_rotary_factor": 0.5},
    {"rope_scaling": {"type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}},
    {"rope_scaling": {"type": "linear"}},
    {"rope_scaling": {"type": "linear", "factor": "x"}},
    {"rope_scaling": {"type": "linear", "factor": 2.0, "factr": 1.0}},
    {"head_dim": 96, "num_attention_heads": 5, "hidden_size": 480},
    {"head_dim": None, "hidden_size": 640, "num_attention_heads": 10},
    {"max_position_embeddings": None}, {"num_attention_heads": 0},
    {"hidden_size": 0}, {"num_hidden_layers": None}, {"num_attention_heads": "4"},
    {"sliding_window": 77, "num_hidden_layers": 3},
    {"layer_types": ["full_attention"] * 2, "num_hidden_layers": 2},
    {"rope_tetha": 3.0},
    {"max_position_embeddings": 12, "num_hidden_layers": 1},
]
# fmt: on


@contextmanager
def no_transformers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(sys.modules):
            if name.split(".")[0] == "transformers":
                patch.setitem(sys.modules, name, None)
        patch.setitem(sys.modules, "transformers", None)
        yield


def found(config: dict[str, Any], *, strict: bool) -> Reading | None:
    try:
        return examine(dict(config), strict=strict)
    except PhasorError:
        return None


def same(config: dict[str, Any]) -> bool:
    """Whether both roads agree, strict or not; and whether there was a spec to agree on."""
    for strict in (True, False):
        expected = found(config, strict=strict)
        with no_transformers():
            assert found(config, strict=strict) == expected
    return expected is not None


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_are_read_to_the_same_spec(name: str) -> None:
    assert same(PUBLISHED[name])


@pytest.mark.parametrize("model_type", DEFAULTS)
def test_other_configs_are_read_to_the_same_spec_or_refused_as_well(model_type: str) -> None:
    read = [same({"model_type": model_type, **config}) for config in VARIED]
    assert 0.6 < sum(read) / len(read) < 1


@pytest.mark.parametrize("model_type", DEFAULTS)
def test_defaults_are_those_of_transformers(model_type: str) -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind: Any = CONFIG_MAPPING[model_type]
    theirs = {each.name: each.default for each in dataclasses.fields(kind)}
    theirs["rope_theta"] = kind.default_theta
    for name, value in DEFAULTS[model_type].items():
        switched = name == "sliding_window" and theirs.get("use_sliding_window") is False
        assert theirs[name] == value or switched, name
    assert theirs.get("head_dim") == DEFAULTS[model_type].get("head_dim")


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"model_type": "cohere"}, "a config of cohere"),
        ({"model_type": "phi3"}, "a config of phi3"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window True of qwen2"),
        ({"model_type": "llama", "rope_scaling": {"type": "longrope"}}, "rope_type 'longrope'"),
        (
            {"model_type": "llama", "rope_parameters": {"full_attention": {"rope_theta": 1e4}}},
            "full_attention of rope_parameters by layer type",
        ),
        (
            {"model_type": "llama", "original_max_position_embeddings": 64},
            "original_max_position_embeddings 64 of llama",
        ),
        (
            {"model_type": "llama", "hidden_size": 100, "num_attention_heads": 3},
            "hidden_size 100 with 3 heads",
        ),
    ],
)
def test_the_rest_needs_transformers(config: dict[str, Any], what: str) -> None:
    with no_transformers(), pytest.raises(ArgumentError) as error:
        phasor.read(config)
    assert str(error.value) == (
        f"config: reading {what} needs transformers; pip install 'torch-phasor[hub]'"
    )


def test_wrong_values_end_in_a_spec_or_in_one_sentence() -> None:
    refused = []
    config = {"model_type": "qwen3", **CONFIGS["llama"]}
    with no_transformers():
        for place in places(config):
            for value in WRONG:
                changed = copy.deepcopy(config)
                inner = changed
                for name in place[:-1]:
                    inner = inner[name]
                inner[place[-1]] = value
                try:
                    examine(changed, strict=False)
                except PhasorError as error:
                    refused.append(str(error))
    assert len(refused) > 50
    assert not any("\n" in sentence for sentence in refused)

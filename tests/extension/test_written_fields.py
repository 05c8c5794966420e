"""What each engine reads of a written config, computed by the rules that the engine documents."""

import json
import math
from typing import Any

import pytest
import torch
from extension.tiny_model import save, tiny_config
from transformers import LlamaForCausalLM

import phasor
from phasor._extend.methods import METHODS, Candidate, candidates
from phasor._extend.source import load
from phasor._extend.space import spaces
from phasor._extend.write import appearing, write_checkpoint

TRAINED, TARGET = 64, 256
Written = dict[str, tuple[Candidate, dict[str, Any]]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("written")
    given = load(save(LlamaForCausalLM(tiny_config()), folder / "model"), target_length=TARGET)
    found = candidates(["auto"], given.situation)
    found += [space.candidate(space.starts[0]) for space in spaces(given.situation)]
    configs: Written = {}
    for candidate in found:
        with appearing(folder / candidate.name) as draft:
            write_checkpoint(given, candidate, draft)
        config = json.loads((folder / candidate.name / "config.json").read_text())
        configs[candidate.name] = candidate, config
    return configs


NAMES = [*METHODS, "yarn-searched", "ntk-searched", "longrope"]


@pytest.mark.parametrize("name", NAMES)
def test_transformers_4(written: Written, name: str) -> None:
    """`rope_theta`, `rope_scaling` with `rope_type`; the keys that its checks require of each."""
    _, config = written[name]
    assert isinstance(config["rope_theta"], float)
    scaling = config.get("rope_scaling")
    required: dict[str, set[str]] = {
        "linear": {"factor"},
        "dynamic": {"factor"},
        "yarn": {"factor"},
        "longrope": {"short_factor", "long_factor"},
        "llama3": {
            "factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"
        },
    }  # fmt: skip
    if name in ("none", "ntk", "ntk-searched"):
        assert scaling is None
        return
    assert required[scaling["rope_type"]] <= set(scaling)
    assert scaling.get("factor", 1.0) >= 1.0
    if scaling["rope_type"] == "longrope":
        # It takes the length and the factor from the top of the config.
        assert config["original_max_position_embeddings"] == TRAINED
        assert config["max_position_embeddings"] / TRAINED == scaling["factor"]
        assert len(scaling["short_factor"]) == len(scaling["long_factor"]) == 8
    else:
        assert "original_max_position_embeddings" not in config


@pytest.mark.parametrize("name", NAMES)
def test_vllm(written: Written, name: str) -> None:
    """Its longest sequence: max_position_embeddings, times a factor for some types.

    For "yarn" the trained length times the factor; no factor for llama3 and longrope, of which it
    takes what max_position_embeddings says.
    """
    candidate, config = written[name]
    scaling = config["rope_parameters"]
    length = config["max_position_embeddings"]
    if scaling["rope_type"] not in ("default", "llama3", "longrope", "linear"):
        if scaling["rope_type"] == "yarn":
            length = scaling["original_max_position_embeddings"]
        length *= scaling["factor"]
    assert length >= TARGET
    without = {key: value for key, value in scaling.items() if key != "rope_theta"}
    if "rope_scaling" in config:
        assert config["rope_scaling"] == without
    assert scaling["rope_theta"] == config["rope_theta"]
    assert candidate.max_seq_len == config["max_position_embeddings"]


@pytest.mark.parametrize("name", ["linear", "ntk", "yarn", "yarn-searched", "llama3"])
def test_llama_cpp(written: Written, name: str) -> None:
    """What its converter writes, and the frequencies that its engine makes of that at pair 0 and 7.

    The base is `rope_theta`. Types "linear" and "yarn" are passed on with `factor` and
    `original_max_position_embeddings`; of "llama3" it computes a divisor for each pair.
    """
    candidate, config = written[name]
    scaling = config.get("rope_scaling", {})
    kind = scaling.get("rope_type", scaling.get("type"))
    bare = [config["rope_theta"] ** (-pair / 8) for pair in range(8)]
    if kind == "linear":
        found = [speed / scaling["factor"] for speed in bare]
    elif kind == "yarn":
        original = scaling["original_max_position_embeddings"]
        beta = scaling.get("beta_fast", 32.0), scaling.get("beta_slow", 1.0)
        low, high = (
            16 * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(config["rope_theta"]))
            for turns in beta
        )
        low, high = max(0.0, math.floor(low)), min(15.0, math.ceil(high))
        found = []
        for pair, speed in enumerate(bare):
            kept = 1 - min(1.0, max(0.0, (pair - low) / max(0.001, high - low)))
            found.append(speed / scaling["factor"] * (1 - kept) + speed * kept)
    elif kind == "llama3":
        original = scaling["original_max_position_embeddings"]
        slow, fast = scaling["low_freq_factor"], scaling["high_freq_factor"]
        found = []
        for speed in bare:
            turns = original * speed / (2 * math.pi)
            smooth = min(1.0, max(0.0, (turns - slow) / (fast - slow)))
            divisor = 1 / ((1 - smooth) / scaling["factor"] + smooth)
            found.append(speed / divisor)
    else:
        assert kind is None
        found = bare
    wanted = candidate.frequencies(phasor.geometric(16), TARGET).inv_freq[0]  # type: ignore[attr-defined]
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), wanted, rtol=1e-6, atol=0)

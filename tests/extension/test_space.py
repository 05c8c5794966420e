"""Each setting of each method: what transformers makes of its config is what was meant."""

import math
import random

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

import phasor
from phasor._extend.methods import METHODS, Candidate, Situation
from phasor._extend.space import Space, spaces
from phasor._read import read

TRAINED, TARGET, BASE, HEAD = 2048, 16_384, 10_000.0, 64

SITUATION = Situation(
    frequencies=phasor.geometric(HEAD, BASE),
    scaling=None,
    rope_parameters={"rope_type": "default", "rope_theta": BASE},
    trained_length=TRAINED,
    target_length=TARGET,
)
SPACES = {space.name: space for space in spaces(SITUATION)}


def settings(space: Space, count: int) -> list[dict[str, float]]:
    draw = random.Random(7)
    ends = [
        {name: getattr(values, end) for name, values in space.ranges.items()}
        for end in ("low", "high")
    ]
    return [
        *map(dict, space.starts),
        *ends,
        *(
            {name: draw.uniform(values.low, values.high) for name, values in space.ranges.items()}
            for _ in range(count)
        ),
    ]


def config(candidate: Candidate) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=2 * HEAD, num_attention_heads=2, head_dim=HEAD,
        max_position_embeddings=candidate.max_seq_len,
        rope_parameters=dict(candidate.rope_parameters),
    )  # fmt: skip


@pytest.mark.parametrize("name", SPACES)
def test_transformers_computes_the_same(name: str) -> None:
    for setting in settings(SPACES[name], 12):
        candidate = SPACES[name].candidate(setting)
        written = config(candidate)
        kind = written.rope_parameters["rope_type"]
        for length in (TRAINED, TARGET):
            ours = candidate.frequencies(SITUATION.frequencies, length)
            if kind == "default":
                powers = torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD
                theirs, gain = written.rope_parameters["rope_theta"] ** -powers, 1.0
            else:
                theirs, gain = ROPE_INIT_FUNCTIONS[kind](written, "cpu", seq_len=length)
            torch.testing.assert_close(ours.inv_freq[0], theirs.double(), rtol=2e-6, atol=0.0)
            assert ours.attention_scale == pytest.approx(gain, rel=1e-12)


@pytest.mark.parametrize("name", SPACES)
def test_what_is_written_is_read_back(name: str) -> None:
    for setting in settings(SPACES[name], 3):
        candidate = SPACES[name].candidate(setting)
        (spec,) = read(config(candidate)).layers[0].encodings
        frequencies = spec.frequencies.build()
        if spec.scaling is not None:
            method = spec.scaling.at(TARGET) if hasattr(spec.scaling, "at") else spec.scaling
            frequencies = method(frequencies)
        wanted = candidate.frequencies(SITUATION.frequencies, TARGET)
        torch.testing.assert_close(frequencies.inv_freq, wanted.inv_freq, rtol=1e-9, atol=0.0)
        assert frequencies.attention_scale == pytest.approx(wanted.attention_scale, rel=1e-12)


def test_no_slower_pair_is_stretched_less() -> None:
    seen = set()
    for setting in settings(SPACES["longrope"], 50):
        factors = SPACES["longrope"].candidate(setting).rope_parameters["long_factor"]
        assert factors == sorted(factors)
        assert factors[0] >= 1
        assert len(factors) == HEAD // 2
        assert factors[-1] == pytest.approx(setting["stretch"], abs=1e-5)
        seen.add(tuple(factors))
    assert len(seen) > 50


def test_a_search_begins_where_methods_are() -> None:
    for name in ("yarn", "ntk"):
        space = SPACES[f"{name}-searched"]
        found = space.candidate(space.starts[0])
        assert found.scaling == METHODS[name](SITUATION).scaling
    factor, pairs = TARGET / TRAINED, HEAD // 2
    longrope = SPACES["longrope"]
    like_ntk, linear = (longrope.candidate(s).rope_parameters for s in longrope.starts)
    slower = [factor ** (pair / (pairs - 1)) for pair in range(pairs)]
    assert like_ntk["long_factor"] == pytest.approx(slower, abs=1e-6)
    assert linear["long_factor"] == pytest.approx([factor] * pairs, abs=1e-6)
    assert linear["attention_factor"] == pytest.approx(0.1 * math.log(factor) + 1, abs=1e-6)


def test_starts_lie_within_the_ranges() -> None:
    for space in SPACES.values():
        for setting in space.starts:
            assert setting.keys() == space.ranges.keys()
            for name, value in setting.items():
                assert space.ranges[name].low <= value <= space.ranges[name].high

"""Each candidate is what transformers makes of the config that is written for it."""

from typing import Any

import pytest
import torch
from extension.situations import situation
from extension.tiny_model import tiny_config
from transformers import LlamaConfig, LlamaForCausalLM, PhiConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.phi.modeling_phi import PhiRotaryEmbedding

import phasor
from phasor._extend.install import installed
from phasor._extend.methods import METHODS, Candidate, candidates
from phasor.errors import ArgumentError

TRAINED = 64


def rotary_of(candidate: Candidate) -> Any:
    """Of LLaMA, or of Phi where a part of each head turns; heads have 32 channels."""
    config, module = (LlamaConfig, LlamaRotaryEmbedding)
    if "partial_rotary_factor" in candidate.rope_parameters:
        config, module = (PhiConfig, PhiRotaryEmbedding)
    return module(
        config(
            hidden_size=128,
            num_attention_heads=4,
            rope_parameters=dict(candidate.rope_parameters),
            max_position_embeddings=candidate.max_seq_len,
        )
    )


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("base", [10_000.0, 500.0])
@pytest.mark.parametrize("target", [65, 256, 1000, 8192])
@pytest.mark.parametrize("share", [None, 0.5])
def test_a_config_gives_the_frequencies_that_were_measured(
    name: str, base: float, target: int, share: float | None
) -> None:
    parameters = {} if share is None else {"partial_rotary_factor": share}
    rotary_dim = round(32 * (share or 1))
    given = situation(
        rotary_dim=rotary_dim, base=base, trained=TRAINED, target=target, **parameters
    )
    *_, candidate = candidates([name], given)
    assert candidate.name == name
    rotary = rotary_of(candidate)
    for length in sorted({TRAINED // 2, TRAINED, (TRAINED + target) // 2, target}):
        # A forward pass at that length, so that rules that depend on it apply.
        rotary(torch.zeros(1, 1, 128), torch.arange(length)[None])
        wanted = candidate.frequencies(given.frequencies, length)
        torch.testing.assert_close(rotary.inv_freq, wanted.inv_freq[0].float(), rtol=2e-6, atol=0.0)
        assert rotary.attention_scaling == pytest.approx(wanted.attention_scale, rel=1e-12)


def test_every_method_but_none_turns_the_slowest_pair_slower() -> None:
    given = situation()
    for candidate in candidates(["auto"], given):
        found = candidate.frequencies(given.frequencies, 256).inv_freq[0]
        slower = bool(found[-1] < given.frequencies.inv_freq[0, -1])
        assert slower == (candidate.name != "none")


def test_a_model_that_was_scaled_before_starts_from_its_unscaled_frequencies() -> None:
    before = phasor.scaling.linear(factor=2.0)
    given = situation(scaling=before, trained=64, target=256, factor=2.0)
    given.rope_parameters["rope_type"] = "linear"  # type: ignore[index]
    none, linear = candidates(["linear"], given)
    assert none.frequencies(given.frequencies, 64) == before(given.frequencies)
    assert linear.rope_parameters == {
        "rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0
    }  # fmt: skip


def test_none_comes_first_and_names_are_checked() -> None:
    given = situation()
    assert [c.name for c in candidates(["yarn", "none", "ntk"], given)] == ["none", "yarn", "ntk"]
    assert [c.name for c in candidates(["auto"], given)] == list(METHODS)
    with pytest.raises(ArgumentError, match=r"there is no method 'yaarn'.*yarn"):
        candidates(["yaarn"], given)
    with pytest.raises(ArgumentError, match="name each method once, got ntk 2 times"):
        candidates(["ntk", "linear", "ntk"], given)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("kind", ["default", "dynamic"])
def test_what_is_installed_is_taken_back(kind: str, fails: bool) -> None:
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(
        tiny_config(
            initializer_range=0.3,
            rope_parameters={"rope_type": kind, "rope_theta": 1e4, "factor": 2.0},
        )
    ).eval()
    given = situation()
    *_, yarn = candidates(["yarn"], given)
    reference: Any = LlamaForCausalLM(
        tiny_config(
            rope_parameters=dict(yarn.rope_parameters), max_position_embeddings=yarn.max_seq_len
        )
    ).eval()
    reference.load_state_dict(model.state_dict())
    tokens = torch.arange(100)[None]
    with torch.no_grad():
        before = model(tokens).logits
        rotary = model.model.rotary_emb
        held = rotary.inv_freq, rotary.attention_scaling, rotary.rope_type
        try:
            with installed([rotary], yarn.frequencies(given.frequencies, 256)):
                inside = model(tokens).logits
                if fails:
                    raise RuntimeError
        except RuntimeError:
            assert fails
        assert rotary.inv_freq is held[0]
        assert (rotary.attention_scaling, rotary.rope_type) == held[1:]
        assert torch.equal(model(tokens).logits, before)
        torch.testing.assert_close(inside, reference(tokens).logits, atol=1e-4, rtol=1e-4)
        assert (inside - before).abs().max() > 0.01

"""Tables at the embedding, and queries that grow with their position."""

import math
from typing import Any

import pytest
import torch
from spec.golden import GOLDEN
from torch.testing import assert_close

from phasor import Compose, QueryTemperature, Sinusoidal
from phasor.spec import LearnedSpec, RotarySpec


def test_gpt_2_and_bert_tables() -> None:
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

    gpt_config = GPT2Config(n_embd=768, n_head=12, n_layer=12, n_positions=1024)
    bert_config = BertConfig(
        hidden_size=768,
        max_position_embeddings=512,
        num_attention_heads=12,
        num_hidden_layers=12,
    )
    with torch.device("meta"):
        gpt, bert = GPT2Model(gpt_config), BertModel(bert_config)
    tables: list[tuple[str, Any, int]] = [
        ("gpt-2", gpt.wpe, len(gpt.h)),
        ("bert-base", bert.embeddings.position_embeddings, len(bert.encoder.layer)),
    ]
    for name, table, num_layers in tables:
        spec = GOLDEN[name]()
        stated = spec.embedding
        assert isinstance(stated, LearnedSpec)
        assert [stated.num_positions, stated.dim] == list(table.weight.shape)
        assert len(spec.layers) == num_layers
        assert not any(layer.encodings for layer in spec.layers)
        assert spec.max_seq_len == stated.num_positions
    assert not GOLDEN["bert-base"]().causal


def test_gpt_3_as_in_the_paper() -> None:
    """Table 2.1: 96 layers, width 12288; section 2.1: a context of 2048."""
    spec = GOLDEN["gpt-3-175b"]()
    assert spec.embedding == LearnedSpec(num_positions=2048, dim=12288)
    assert len(spec.layers) == 96
    assert spec.max_seq_len == 2048


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_attention_is_all_you_need(stack: str) -> None:
    """Section 3.5's formula, evaluated here."""
    whole = GOLDEN["attention-is-all-you-need"]()
    spec = whole if stack == "decoder" else whole.tower("encoder")
    assert len(spec.layers) == 6
    assert spec.causal == (stack == "decoder")
    encoding = spec.encodings().embedding
    assert isinstance(encoding, Sinusoidal)
    x = torch.zeros(1, 4, 512, dtype=torch.float64)
    positions = [0, 1, 50, 3000]
    found = encoding.embed(x, encoding.prepare(torch.tensor(positions), dtype=x.dtype))[0]
    for row, position in zip(found.tolist(), positions, strict=True):
        for pair in range(256):
            angle = position / 10000 ** (2 * pair / 512)
            assert math.isclose(row[2 * pair], math.sin(angle), abs_tol=1e-9)
            assert math.isclose(row[2 * pair + 1], math.cos(angle), abs_tol=1e-9)


LLAMA_4 = {
    "attention_chunk_size": 8192,
    "attn_scale": 0.1,
    "attn_temperature_tuning": True,
    "floor_scale": 8192,
    "no_rope_layers": [],
    "rope_scaling": None,
    "rope_theta": 500000.0,
}


SCOUT = {
    "factor": 16.0,
    "high_freq_factor": 1.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}


@pytest.mark.parametrize(
    ("name", "rope_scaling", "max_position_embeddings"),
    [("llama-4-maverick", None, 1048576), ("llama-4-scout", SCOUT, 10485760)],
)
def test_llama_4_layers_and_rotation(
    name: str, rope_scaling: dict[str, Any] | None, max_position_embeddings: int
) -> None:
    from transformers import Llama4TextConfig
    from transformers.models.llama4 import modeling_llama4

    config = Llama4TextConfig(
        **LLAMA_4 | {"rope_scaling": rope_scaling},
        head_dim=128,
        hidden_size=5120,
        max_position_embeddings=max_position_embeddings,
        num_attention_heads=40,
        num_hidden_layers=48,
    )
    spec = GOLDEN[name]()
    assert spec.max_seq_len == config.max_position_embeddings
    turning = [int(isinstance(layer.encodings[0], RotarySpec)) for layer in spec.layers]
    assert turning == config.no_rope_layers
    positions = torch.tensor([0, 1, 7, 1000, 8191])
    rotary = modeling_llama4.Llama4TextRotaryEmbedding(config)
    query, key = torch.randn(2, 1, 5, 2, 128)
    expected = modeling_llama4.apply_rotary_emb(query, key, rotary(query, positions[None]))
    encoding = spec.encodings(precision="float32")[0]
    found = encoding.rotate(query.transpose(1, 2), key.transpose(1, 2), encoding.prepare(positions))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours is not None
        assert_close(ours.transpose(1, 2), theirs, rtol=0, atol=4e-3)
        assert_close(ours.transpose(1, 2)[:, :3], theirs[:, :3], rtol=0, atol=1e-5)


def test_llama_4_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    """The query that reaches attention in a layer without rotation, past three runs of 8192."""
    from transformers import Llama4TextConfig
    from transformers.models.llama4 import modeling_llama4

    config = Llama4TextConfig(
        **LLAMA_4 | {"no_rope_layers": [1, 1, 1, 0]},
        head_dim=4,
        hidden_size=4,
        num_attention_heads=1,
        num_hidden_layers=4,
        num_key_value_heads=1,
    )
    config._attn_implementation = "eager"
    attention = modeling_llama4.Llama4TextAttention(config, 3)
    seen: list[torch.Tensor] = []

    def capture(module: Any, query: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, None]:
        seen.append(query)
        return query.transpose(1, 2), None

    monkeypatch.setattr(modeling_llama4, "eager_attention_forward", capture)
    hidden = torch.randn(1, 3 * 8192 + 10, 4)
    with torch.no_grad():
        attention(hidden, position_embeddings=None, attention_mask=None)
        query = attention.q_proj(hidden)[:, None]
    encoding = GOLDEN["llama-4-maverick"]().encodings()[3]
    assert isinstance(encoding, QueryTemperature)
    found, _ = encoding.rotate(query, None, encoding.prepare(torch.arange(hidden.shape[1])))
    assert_close(found, seen[0], rtol=1e-6, atol=1e-6)
    assert not torch.equal(found[:, :, 8191], query[:, :, 8191])  # the offset of 1


def test_ministral_3_temperature() -> None:
    from transformers import Ministral3Config
    from transformers.models.ministral3.modeling_ministral3 import get_llama_4_attn_scale

    parameters = Ministral3Config().rope_parameters
    positions = torch.tensor([0, 1000, 16383, 16384, 100_000, 262_143])
    expected = get_llama_4_attn_scale(
        positions[None],
        parameters["llama_4_scaling_beta"],
        parameters["original_max_position_embeddings"],
    )
    encodings = GOLDEN["ministral-3-8b"]().encodings()
    assert len(set(encodings)) == 1
    assert isinstance(encodings[0], Compose)
    temperature = list(encodings[0].encodings)[-1]
    assert isinstance(temperature, QueryTemperature)
    query = torch.ones(1, 1, 6, 1)
    found, _ = temperature.rotate(query, None, temperature.prepare(positions))
    assert_close(found, expected.reshape(1, 1, 6, 1), rtol=1e-6, atol=0)

"""Query temperature against Llama 4 and Ministral 3 in transformers."""

import pytest
import torch
from torch.testing import assert_close
from transformers.models.ministral3.modeling_ministral3 import get_llama_4_attn_scale

import phasor
from phasor.errors import ArgumentError

FAR = torch.tensor([0, 1, 8190, 8191, 8192, 16_382, 16_383, 16_384, 262_143, 10_485_759])


def gain(temperature: phasor.QueryTemperature, positions: torch.Tensor) -> torch.Tensor:
    query = torch.ones(1, 2, len(positions), 3)
    turned, key = temperature.rotate(query, query, temperature.prepare(positions))
    assert_close(key, query)
    return turned[0, 0, :, 0]


def test_equals_ministral() -> None:
    theirs = get_llama_4_attn_scale(FAR[None], 0.1, 16_384)
    assert_close(gain(phasor.QueryTemperature(16_384), FAR), theirs.flatten())


def test_equals_llama_4() -> None:
    """Its attention has the formula in line, so it is run: one layer without rotation.

    It counts the tokens of the tensor, whatever their position ids.
    """
    from transformers.models.llama4.configuration_llama4 import Llama4TextConfig
    from transformers.models.llama4.modeling_llama4 import Llama4TextAttention

    config = Llama4TextConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
        no_rope_layers=[0],
    )
    layer = Llama4TextAttention(config, 0)
    seen = {}

    def keep(module: object, query: torch.Tensor, *_: object, **__: object) -> tuple[object, None]:
        seen["query"] = query
        return query.transpose(1, 2), None

    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register("look", keep)
    config._attn_implementation = "look"
    positions = torch.arange(16_400)
    x = torch.randn(1, 1, 8).expand(1, len(positions), 8)
    layer(x, None, None)
    theirs = seen["query"][0, 0] / seen["query"][0, 0, :1]
    ours = gain(phasor.QueryTemperature(8192, offset=1), positions)
    assert_close(theirs, ours[:, None].expand_as(theirs))


def test_positions_of_each_sequence() -> None:
    temperature = phasor.QueryTemperature(4)
    query, positions = torch.randn(2, 3, 5, 8), torch.tensor([[0, 1, 2, 3, 4], [8, 9, 10, 11, 12]])
    turned, _ = temperature.rotate(query, None, temperature.prepare(positions))
    for row in range(2):
        alone, _ = temperature.rotate(
            query[row : row + 1], None, temperature.prepare(positions[row])
        )
        assert_close(turned[row : row + 1], alone, rtol=0, atol=0)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="original_seq_len must be at least 1, got 0"):
        phasor.QueryTemperature(0)
    with pytest.raises(ArgumentError, match=r"coefficient must be positive, got -0.1; 0.1 is"):
        phasor.QueryTemperature(8, coefficient=-0.1)
    temperature = phasor.QueryTemperature(8)
    with pytest.raises(ArgumentError, match="prepared for 3 positions but query has 4"):
        temperature.rotate(torch.ones(1, 1, 4, 2), None, temperature.prepare(torch.arange(3)))

"""What every encoding owes to those who divide a model: shards of parameters, parts of heads."""

import copy

import pytest
import torch
from contract.cases import CASES, Layer, embeddings
from torch.testing import assert_close

import phasor


@pytest.fixture(params=CASES)
def layer(request: pytest.FixtureRequest) -> Layer:
    return Layer(CASES[request.param]()).double()


def test_every_parameter_has_an_axis(layer: Layer) -> None:
    """FSDP refuses one without, and so the whole model that has it."""
    assert [name for name, of in layer.encoding.named_parameters() if of.ndim == 0] == []


@pytest.mark.parametrize("assign", [False, True])
def test_numbers_stored_without_an_axis_load(layer: Layer, assign: bool) -> None:
    """As FIRE and Sinusoidal were stored by phasor 0.1, whose parameters had none."""
    other, stored = copy.deepcopy(layer), dict(layer.state_dict())
    for name, of in stored.items():
        if of.shape == (1,) and name.split(".")[-1] in ("c", "threshold_factor", "scale"):
            stored[name] = of[0]
    with torch.no_grad():
        for parameter in other.encoding.parameters():
            parameter.zero_()
    other.load_state_dict(stored, strict=True, assign=assign)
    x = embeddings()
    positions = torch.arange(x.shape[1])
    assert_close(other(x, positions), layer(x, positions), rtol=0, atol=0)
    assert [of.shape for of in other.parameters()] == [of.shape for of in layer.parameters()]


def test_a_part_of_the_heads(layer: Layer) -> None:
    """Half of them give the half of what all give, or are refused with no wrong advice."""
    x = embeddings()
    encoding, positions = layer.encoding, torch.arange(x.shape[1])
    query, key, value = layer.project(x)
    prepared, features = encoding(positions, dtype=x.dtype), encoding.observe(x)
    whole = phasor.attention(query, key, value, encoding, prepared=prepared, features=features)
    try:
        half = phasor.attention(
            query[:, :3], key[:, :1], value[:, :1], encoding, prepared=prepared,
            features=features,
        )  # fmt: skip
    except phasor.errors.ArgumentError as error:
        assert "if those are all heads of the model: a part of them" in str(error)  # noqa: PT017
        assert "would get other numbers" in str(error)  # noqa: PT017
    else:
        assert_close(half, whole[:, :3], rtol=1e-12, atol=1e-12)

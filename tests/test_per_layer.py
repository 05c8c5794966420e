"""Another encoding in each layer."""

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor._compare.model import Decoder
from phasor.encodings.catalogue import ModelShape
from phasor.encodings.spelling import parse_spelling
from phasor.errors import ArgumentError, ArgumentTypeError, SiteError

SHAPE = ModelShape(dim=16, head_dim=8, num_heads=2, num_positions=32)


def decoder(encodings: phasor.PerLayer | phasor.PositionEncoding, num_layers: int = 3) -> Decoder:
    torch.manual_seed(0)
    return Decoder(encodings, vocab_size=20, width=16, num_layers=num_layers, num_heads=2).double()


def test_each_layer_has_its_own() -> None:
    """A model whose layers differ is put together from layers of models whose layers do not."""
    local, none = phasor.Rotary(8, base=100.0), phasor.NoPE()
    tokens, positions = torch.randint(20, (1, 9)), torch.arange(9)
    mixed = decoder(phasor.PerLayer([local, none, local]))
    x = mixed.embedding(tokens)
    for layer, encoding in enumerate((local, none, local)):
        uniform = decoder(encoding)
        prepared = encoding.prepare(positions, dtype=x.dtype)
        x = uniform.blocks[layer](x, encoding, prepared, True)
    assert_close(mixed(tokens), mixed.norm(x) @ mixed.embedding.weight.T)
    assert (mixed(tokens) - decoder(local)(tokens)).abs().max() > 1e-4


def test_a_shared_encoding_is_prepared_once_and_its_parameters_exist_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared, own = phasor.T5Bias(2), phasor.T5Bias(2)
    encodings = phasor.PerLayer([shared, own, shared, shared])
    assert len(list(encodings.parameters())) == len(encodings.state_dict()) == 2
    calls = []
    prepare = phasor.T5Bias.prepare
    monkeypatch.setattr(
        phasor.T5Bias, "prepare", lambda self, *a, **k: calls.append(self) or prepare(self, *a, **k)
    )
    prepared = encodings.prepare(torch.arange(4))
    assert calls == [shared, own]
    assert prepared.layers[0] is prepared.layers[2] is prepared.layers[3]
    assert prepared.layers[1] is not prepared.layers[0]


def test_what_enters_at_the_embedding_does_so_once() -> None:
    learned = phasor.Learned(32, 16)
    model = decoder(phasor.PerLayer([phasor.NoPE()] * 3, embedding=learned))
    again = decoder(learned)
    assert_close(model(torch.arange(9)[None]), again(torch.arange(9)[None]), rtol=0, atol=0)
    assert model.encoding.embedding is learned


def test_refuses_what_would_be_lost() -> None:
    learned = phasor.Learned(32, 16)
    with pytest.raises(SiteError, match=r"Learned of layer 1 enters at the embedding.*embedding="):
        phasor.PerLayer([phasor.NoPE(), learned])
    with pytest.raises(SiteError, match=r"Sinusoidal of layer 1 enters at the embedding"):
        phasor.PerLayer.in_turn([learned, phasor.Sinusoidal(16)], 4)
    with pytest.raises(ArgumentError, match="at least one layer, got none"):
        phasor.PerLayer([])
    with pytest.raises(ArgumentError, match="at least one encoding"):
        phasor.PerLayer.in_turn([], 3)
    with pytest.raises(ArgumentTypeError, match="takes position encodings, got str"):
        phasor.PerLayer(["rotary"])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="for each of the 3 layers, got 2"):
        decoder(phasor.PerLayer([phasor.NoPE()] * 2))


def test_one_graph_under_compile() -> None:
    model = decoder(phasor.PerLayer.in_turn([phasor.Rotary(8), phasor.NoPE(), phasor.ALiBi(2)], 3))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    tokens = torch.randint(20, (2, 9))
    assert_close(compiled(tokens), model(tokens))


def test_layers_take_turns_by_their_spelling() -> None:
    spelling = parse_spelling("rotary(base=100) / alibi/none")
    assert spelling.text == "rotary(base=100)/alibi/none"
    encodings = spelling.build(SHAPE, 5)
    assert [type(each).__name__ for each in encodings] == [
        "Rotary", "ALiBi", "NoPE", "Rotary", "ALiBi",
    ]  # fmt: skip
    assert encodings[0] is encodings[3]
    with pytest.raises(ArgumentError, match="no encoding 'rotate'"):
        parse_spelling("none/rotate")

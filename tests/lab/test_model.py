"""The decoder takes any encoding, refuses what it cannot serve, and starts equal for all."""

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor._compare.config import TrialConfig
from phasor._compare.known_answers import known_answers
from phasor._compare.model import EMBEDDING_RMS, Decoder
from phasor.encodings.catalogue import CATALOGUE, ModelShape
from phasor.encodings.spelling import parse_spelling
from phasor.errors import ArgumentError, SiteError

SHAPE = ModelShape(dim=32, head_dim=8, num_heads=4, num_positions=64)


def decoder(encoding: phasor.PositionEncoding) -> Decoder:
    torch.manual_seed(3)
    return Decoder(encoding, vocab_size=50, width=32, num_layers=2, num_heads=4)


@pytest.mark.parametrize("name", CATALOGUE)
def test_same_initial_weights_for_everything_but_the_encoding(name: str) -> None:
    plain = decoder(phasor.NoPE()).state_dict()
    other = decoder(parse_spelling(name).build(SHAPE, 2)).state_dict()
    for key, weight in plain.items():
        assert_close(other[key], weight, rtol=0, atol=0)
    assert {key for key in other if key not in plain} == {
        key for key in other if key.startswith("encoding.")
    }


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_token_sees_a_later_one(name: str) -> None:
    model = decoder(parse_spelling(name).build(SHAPE, 2)).double()
    tokens = torch.randint(50, (2, 20))
    changed = tokens.clone()
    changed[:, 12:] = (changed[:, 12:] + 1) % 50
    assert_close(model(changed)[:, :12], model(tokens)[:, :12], rtol=1e-12, atol=1e-12)


def test_starts_as_uncertain_as_can_be() -> None:
    model = decoder(phasor.NoPE())
    tokens = torch.randint(50, (4, 30))
    targets = torch.randint(50, (120,))
    loss = torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), targets)
    assert abs(loss.item() - torch.tensor(50.0).log().item()) < 0.1
    assert model.embedding.weight.std().item() == pytest.approx(EMBEDDING_RMS, rel=0.1)


def test_refuses_heads_that_do_not_divide_the_width() -> None:
    with pytest.raises(
        ArgumentError, match="num_heads must divide width, got 5 heads for width 32"
    ):
        Decoder(phasor.NoPE(), vocab_size=9, width=32, num_layers=1, num_heads=5)


def test_refuses_an_encoding_whose_site_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decoder, "sites", frozenset({"embedding", "query_key"}))
    with pytest.raises(SiteError, match="ALiBi needs site 'score', which Decoder does not offer"):
        decoder(phasor.ALiBi(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be positive, got 0"),
        ({"width": 20, "heads": 4}, "even number of channels per head, got width 20 for 4"),
        ({"heads": 0}, "got width 64 for 0 heads"),
        ({"train_length": 1}, "train_length must be at least 2, got 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive, got nan"),
    ],
)
def test_config_refuses_numbers_that_cannot_work(arguments: dict[str, float], message: str) -> None:
    usual = {"task": "lm", "train_length": 8, "eval_lengths": (8,), "steps": 1, "batch_size": 1}
    with pytest.raises(ArgumentError, match=message):
        TrialConfig(**{**usual, **arguments})


def test_every_known_answer_holds() -> None:
    answers = known_answers(list(CATALOGUE))
    assert len(answers) >= 3 + 2 * len(CATALOGUE)
    assert [answer for answer in answers if not answer.holds] == []


def test_known_answers_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that forgets the key is caught."""

    def forgetful(self: phasor.Rotary, query: object, key: object, prepared: object) -> object:
        turned, _ = phasor.rotate(
            query, None, prepared.content.query, self.frequencies, layout=self.layout
        )
        return turned, key

    monkeypatch.setattr(phasor.Rotary, "rotate", forgetful)
    failed = [answer.statement for answer in known_answers(["rotary"]) if not answer.holds]
    assert failed == ["shifting all positions changes nothing"]


def test_known_answers_leave_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    known_answers(["learned"])
    assert_close(torch.rand(3), expected, rtol=0, atol=0)

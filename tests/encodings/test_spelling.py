"""Names that everybody uses for an encoding, beside its own."""

import pytest

import phasor
from phasor._compare.plan import encoding_names
from phasor.encodings.catalogue import ALIASES, CATALOGUE, ModelShape, look_up
from phasor.encodings.spelling import parse_spelling
from phasor.errors import ArgumentError

SHAPE = ModelShape(dim=16, head_dim=8, num_heads=2, num_positions=8)


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ("rope", "rotary"),
        ("nope", "none"),
        ("rope(base=5e5)", "rotary(base=5e5)"),
        ("rope / rope(base=100) / nope", "rotary/rotary(base=100)/none"),
        ("none/rope", "none/rotary"),
        ("rope(scaling=yarn(factor=4, original_seq_len=64))",
         "rotary(scaling=yarn(factor=4,original_seq_len=64))"),
        ("pope", "pope"),
        ("fope/pope", "fope/pope"),
    ],
)  # fmt: skip
def test_an_alias_is_called_by_the_name_itself(given: str, called: str) -> None:
    spelling = parse_spelling(given)
    assert spelling.text == called
    own = parse_spelling(called)
    assert [turn.name for turn in spelling.turns] == [turn.name for turn in own.turns]
    assert repr(spelling.build(SHAPE, 3)) == repr(own.build(SHAPE, 3))


def test_rope_is_rotary() -> None:
    assert type(parse_spelling("rope").build(SHAPE, 1)[0]) is phasor.Rotary
    assert type(parse_spelling("nope").build(SHAPE, 1)[0]) is phasor.NoPE
    assert encoding_names("rope, alibi") == ["rotary", "alibi"]
    assert not ALIASES.keys() & CATALOGUE.keys()


@pytest.mark.parametrize("name", ["RoPE", "ROPE", "rop"])
def test_what_is_near_it_is_not_pope(name: str) -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'rope'"):
        look_up(name)


def test_an_argument_that_rotary_lacks() -> None:
    with pytest.raises(ArgumentError, match="rotary has no argument 'theta'"):
        parse_spelling("rope(theta=5)").build(SHAPE, 1)

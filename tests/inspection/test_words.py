"""Every kind of encoding in words, with the numbers that it has."""

import pytest
from spec.golden import GOLDEN

from phasor.spec import (
    AxialSpec,
    DeBERTaSpec,
    GeometricSpec,
    QueryTemperatureSpec,
    RelativeLogitsSpec,
    ScoreTemperatureSpec,
    ShawSpec,
    SinusoidalSpec,
    SSMaxSpec,
    TransformerXLSpec,
    UnevenRotarySpec,
)

SENTENCES = {
    "no rotation: 60 of 64 channels, 2i with 2i + 1, of which the two turn by different angles": (
        UnevenRotarySpec(
            head_dim=64,
            frequencies=AxialSpec(rotary_dim=60, axes=3),
            blocks=3,
            layout="interleaved",
        )
    ),
    "axes share out the doubled table as 2 + 1 + 1": UnevenRotarySpec(
        head_dim=8, frequencies=GeometricSpec(rotary_dim=8), sections=(2, 1, 1), layout="half"
    ),
    "queries times (1 + (position + 1) / 2,048) to the power of 0.1": QueryTemperatureSpec(
        original_seq_len=2048, offset=1, growth="power"
    ),
    "plus a learned bias, for each of 7 heads": SSMaxSpec(num_heads=7),
    "up to 64 back and 8 ahead": ShawSpec(head_dim=2, max_distance=64, max_ahead=8),
    "a sinusoid of the distance, 1,024 channels": TransformerXLSpec(
        dim=1024, head_dim=64, num_heads=16
    ),
    "distances up to 512, in 256 buckets in each direction": DeBERTaSpec(
        dim=8, head_dim=4, num_heads=2, num_buckets=256
    ),
    "distances up to 99, one each in each direction": DeBERTaSpec(
        dim=8, head_dim=4, num_heads=2, max_distance=99
    ),
    "mixes 3 learned profiles over 77 distances": RelativeLogitsSpec(
        dim=8, num_heads=2, extent=77, rank=3
    ),
    "scores times 1 + 0.1 ln(max(1, (position + 1) / 128))": ScoreTemperatureSpec(
        original_seq_len=128
    ),
    "cosines first": SinusoidalSpec(dim=8, first="cosine"),
}


@pytest.mark.parametrize("words", SENTENCES)
def test_words(words: str) -> None:
    assert words in SENTENCES[words].in_words()


def test_every_golden_spec_has_words() -> None:
    for function in GOLDEN.values():
        for stack in (function(), *function().towers):
            for layer in dict.fromkeys(stack.layers):
                assert all(each.in_words() for each in layer.encodings)

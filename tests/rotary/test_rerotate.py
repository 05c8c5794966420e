"""A cache turned over equals a cache made anew."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, PositionRangeError

HEAD_DIM = 16
PLAIN = phasor.geometric(HEAD_DIM)


def key() -> torch.Tensor:
    return torch.randn(2, 3, 5, HEAD_DIM, dtype=torch.float64)


def turned(
    x: torch.Tensor, positions: torch.Tensor, frequencies: phasor.Frequencies, **how: str
) -> torch.Tensor:
    return phasor.rotate(x, None, positions, frequencies, **how)[0]


@given(
    start=st.integers(0, 2**30),
    shift=st.integers(-(2**30), 2**30),
    layout=st.sampled_from(["half", "interleaved"]),
    rotary_slice=st.sampled_from(["leading", "trailing"]),
    rotary_dim=st.sampled_from([4, 16]),
)
@settings(max_examples=40, deadline=None)
def test_a_change_of_position(
    start: int, shift: int, layout: str, rotary_slice: str, rotary_dim: int
) -> None:
    how = {"layout": layout, "rotary_slice": rotary_slice}
    frequencies = phasor.geometric(rotary_dim, 500_000.0)
    x, positions = key(), start + torch.arange(5)
    moved = phasor.rerotate(
        turned(x, positions, frequencies, **how),
        positions,
        frequencies,
        new_positions=positions + shift,
        **how,
    )
    assert_close(moved, turned(x, positions + shift, frequencies, **how), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    "longer",
    [
        phasor.scaling.dynamic_ntk(factor=2, original_seq_len=4).at(100),
        phasor.scaling.longrope(
            short_factor=[1.0] * 8, long_factor=range(1, 9), original_seq_len=4, factor=8
        ).long(),
        phasor.scaling.yarn(factor=4, original_seq_len=64),
    ],
    ids=lambda scaling: type(scaling).__name__,
)
def test_a_change_of_frequencies_and_gain(longer: phasor.scaling.Scaling) -> None:
    x, positions = key(), torch.arange(5) + 1000
    new = longer(PLAIN)
    over = phasor.rerotate(turned(x, positions, PLAIN), positions, PLAIN, new_frequencies=new)
    assert_close(over, turned(x, positions, new), rtol=1e-10, atol=1e-10)
    assert (over - turned(x, positions, PLAIN)).abs().max() > 0.1


def test_a_cache_that_outgrows_its_length() -> None:
    """Dynamic NTK: settle for more, turn the cached keys over, and go on as if from the start."""
    rotary = phasor.Rotary(
        HEAD_DIM, scaling=phasor.scaling.dynamic_ntk(factor=2, original_seq_len=4)
    )
    query, x, value = torch.randn(3, 1, 2, 10, HEAD_DIM, dtype=torch.float64)
    short, long = rotary.at(6), rotary.at(10)
    cached = turned(x[:, :, :6], torch.arange(6), short.frequencies)
    over = phasor.rerotate(
        cached, torch.arange(6), short.frequencies, new_frequencies=long.frequencies
    )
    prepared = long.prepare(torch.arange(6, 10), dtype=torch.float64)
    new_query, new_key = long.rotate(query[:, :, 6:], x[:, :, 6:], prepared)
    keys = torch.cat((over, new_key), 2)
    found = phasor.attention(new_query, keys, value)
    assert_close(found, phasor.attention(query, x, value, long)[:, :, 6:], rtol=1e-10, atol=1e-10)


def test_a_length_must_be_settled_and_then_holds() -> None:
    rotary = phasor.Rotary(
        HEAD_DIM, scaling=phasor.scaling.dynamic_ntk(factor=2, original_seq_len=4)
    )
    with pytest.raises(ArgumentError, match=r"settle it first: rotary\.at\(seq_len\)"):
        rotary.prepare(torch.arange(3))
    settled = rotary.at(8)
    settled.prepare(torch.arange(8))
    with pytest.raises(
        PositionRangeError, match=r"settled for 8 tokens, has positions 0 to 7 .*phasor\.rerotate"
    ):
        settled.prepare(torch.arange(9))
    assert "seq_len=8" in repr(settled)
    plain = phasor.Rotary(HEAD_DIM)
    assert plain.at(5) is plain


def test_scaling_is_what_it_does_to_the_frequencies() -> None:
    yarn = phasor.scaling.yarn(factor=8, original_seq_len=128)
    rotary = phasor.Rotary(HEAD_DIM, base=500_000.0, scaling=yarn)
    assert rotary.frequencies == yarn(phasor.geometric(HEAD_DIM, 500_000.0))

    def own(frequencies: phasor.Frequencies) -> phasor.Frequencies:
        return frequencies.with_inv_freq(frequencies.inv_freq / 3)

    assert phasor.Rotary(HEAD_DIM, scaling=own).frequencies == phasor.scaling.linear(factor=3)(
        PLAIN
    )


def test_both_gains_reach_the_score_where_they_should() -> None:
    """The gain on cos and sin reaches the channels that turn; the softmax gain reaches all."""
    frequencies = phasor.Frequencies(
        phasor.geometric(4).inv_freq, attention_scale=1.5, softmax_scale=3.0
    )
    rotary = phasor.Rotary(8, frequencies=frequencies)
    query, x = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)
    prepared = rotary.prepare(torch.tensor([7]), dtype=torch.float64)
    new_query, new_key = rotary.rotate(query, x, prepared)
    assert new_key is not None
    expected = 3.0 * (
        1.5**2 * (query[..., :4] * x[..., :4]).sum() + (query[..., 4:] * x[..., 4:]).sum()
    )
    assert_close((new_query * new_key).sum(), expected)


def test_inverse_undoes_a_gain_too() -> None:
    frequencies = phasor.scaling.yarn(factor=16, original_seq_len=64)(PLAIN)
    x, positions = key(), torch.arange(5)
    back = phasor.rotate(
        turned(x, positions, frequencies), None, positions, frequencies, inverse=True
    )[0]
    assert_close(back, x, rtol=1e-12, atol=1e-12)


def test_trailing_channels_turn_and_leading_ones_stand() -> None:
    x, positions = key(), torch.arange(5) + 3
    found = turned(x, positions, phasor.geometric(4), rotary_slice="trailing")
    assert_close(found[..., :12], x[..., :12], rtol=0, atol=0)
    assert_close(found[..., 12:], turned(x[..., 12:].contiguous(), positions, phasor.geometric(4)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "needs new_positions, new_frequencies or both; got neither"),
        ({"new_frequencies": phasor.geometric(8)}, "got 4 pairs in place of 8"),
        ({"new_positions": torch.arange(5), "rotary_slice": "middle"}, "rotary_slice must be"),
        ({"new_positions": torch.arange(4)}, "one place for each of the 5 old ones"),
    ],
)
def test_refuses_with_advice(change: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        phasor.rerotate(key(), torch.arange(5), PLAIN, **change)

"""Positions for training: in range, in order, and as likely as they should be."""

from collections import Counter
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import phasor
from phasor import positions
from phasor.errors import ArgumentError, ArgumentTypeError

SEED = st.integers(0, 2**31)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None)
@given(seq=st.integers(0, 40), more=st.integers(0, 200), seed=SEED)
def test_random_positions_are_in_order_distinct_and_in_range(
    seq: int, more: int, seed: int
) -> None:
    got = positions.randomised(seq, seq + more, seeded(seed))
    assert got.dtype == torch.int64
    assert len(got) == seq
    assert bool((got.diff() > 0).all())
    assert bool(((got >= 0) & (got < seq + more)).all())
    assert torch.equal(got, positions.randomised(seq, seq + more, seeded(seed)))


def test_each_choice_of_positions_is_as_likely() -> None:
    chance = seeded()
    draws = 6000
    counts = Counter(tuple(positions.randomised(3, 6, chance).tolist()) for _ in range(draws))
    # 20 choices; the 99.9 % point of chi-squared with 19 degrees of freedom is 43.8.
    expected = draws / 20
    choices = combinations(range(6), 3)
    assert sum((counts[choice] - expected) ** 2 / expected for choice in choices) < 43.8


def test_squeezed_positions_are_slower_frequencies() -> None:
    frequencies = phasor.geometric(16)
    slower = phasor.scaling.linear(factor=3.0)(frequencies)
    squeezed = phasor.cos_sin(positions.interpolated(99, 3.0), frequencies, dtype=torch.float64)
    torch.testing.assert_close(
        squeezed, phasor.cos_sin(torch.arange(99), slower, dtype=torch.float64), rtol=0, atol=1e-13
    )


@settings(deadline=None)
@given(seq=st.integers(0, 50), factor=st.floats(1, 1e6))
def test_squeezed_positions_are_quotients(seq: int, factor: float) -> None:
    got = positions.interpolated(seq, factor)
    assert got.dtype == torch.float64
    assert got.tolist() == [token / factor for token in range(seq)]


@settings(deadline=None)
@given(chunks=st.integers(2, 6), more=st.integers(0, 20), skip=st.integers(0, 500), seed=SEED)
def test_skips_are_between_chunks_only(chunks: int, more: int, skip: int, seed: int) -> None:
    seq = chunks + more
    got = positions.pose(seq, seq + skip, seeded(seed), chunks=chunks)
    assert got.dtype == torch.int64
    assert len(got) == seq
    offsets = got - torch.arange(seq)
    assert offsets[0] == 0
    assert bool((offsets.diff() >= 0).all())
    assert int((offsets.diff() > 0).sum()) < chunks
    assert int(got[-1]) < seq + skip
    assert torch.equal(got, positions.pose(seq, seq + skip, seeded(seed), chunks=chunks))


def test_a_skip_and_its_place_are_uniform_and_reach_both_ends() -> None:
    chance = seeded()
    draws = [positions.pose(5, 8, chance) - torch.arange(5) for _ in range(4000)]
    jumps = Counter(int(offsets[-1]) for offsets in draws)
    places = Counter(int((o > 0).nonzero()[0]) for o in draws if o[-1] > 0)
    assert sorted(jumps) == [0, 1, 2, 3]
    assert sorted(places) == [1, 2, 3, 4]
    # Five standard deviations of a count out of 4000 with chance 1/4 are 137.
    assert max(abs(count - 1000) for count in jumps.values()) < 137
    assert max(abs(count - places.total() / 4) for count in places.values()) < 137


def test_the_second_skip_starts_from_the_first() -> None:
    chance = seeded()
    # Three tokens in three chunks: each token has an offset of its own, 0 <= u1 <= u2 <= 4.
    draws = [positions.pose(3, 7, chance, chunks=3) - torch.arange(3) for _ in range(4000)]
    after_three = Counter(int(offsets[2]) for offsets in draws if offsets[1] == 3)
    assert sorted(after_three) == [3, 4]
    assert abs(after_three[3] - after_three[4]) < 5 * after_three.total() ** 0.5


def test_positions_are_made_on_the_device_that_was_asked_for() -> None:
    assert positions.interpolated(3, 2.0, device="meta").device.type == "meta"


def test_refuses_numbers_that_cannot_be() -> None:
    chance = seeded()
    with pytest.raises(ArgumentError, match=r"max_position must be at least 9, got 8; .* seq=9"):
        positions.randomised(9, 8, chance)
    with pytest.raises(ArgumentError, match="seq must be at least 0, got -1; pass the number of"):
        positions.randomised(-1, 8, chance)
    with pytest.raises(ArgumentTypeError, match=r"max_position must be an integer, got 8\.0"):
        positions.randomised(2, 8.0, chance)
    for factor in (0.5, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match=f"factor must be at least 1 .* got {factor}; pass"):
            positions.interpolated(4, factor)
    with pytest.raises(ArgumentError, match=r"target_length must be at least 9, got 8; .* seq=9"):
        positions.pose(9, 8, chance)
    with pytest.raises(ArgumentError, match=r"chunks must be at least 2, got 1; .* skips nothing"):
        positions.pose(9, 99, chance, chunks=1)
    with pytest.raises(ArgumentError, match=r"seq must be at least 4, got 3; .* of the 4 chunks"):
        positions.pose(3, 99, chance, chunks=4)

"""What is said of frequencies before a model is run, against plain float64 arithmetic."""

import math
from dataclasses import replace

import numpy as np
import pytest
from extension.situations import situation

import phasor
from phasor._extend.explain import base_for, context_of, explain, explanation_lines
from phasor._extend.methods import candidates


def longest(rotary_dim: int, base: float, limit: int) -> int:
    """The bound, from the formula of the paper."""
    speeds = float(base) ** (-np.arange(0, rotary_dim, 2) / rotary_dim)
    total = np.cos(np.outer(np.arange(limit + 1), speeds)).sum(1)
    below = np.nonzero(total < 0)[0]
    return int(below[0]) - 1 if len(below) else limit


@pytest.mark.parametrize("rotary_dim", [16, 64, 128])
@pytest.mark.parametrize("base", [100.0, 10_000.0, 500_000.0])
def test_context_of_a_base(rotary_dim: int, base: float) -> None:
    frequencies = phasor.geometric(rotary_dim, base)
    # Longer than a block, and cut short.
    for limit in (20_000, 300):
        assert context_of(frequencies, limit) == longest(rotary_dim, base, limit)


@pytest.mark.parametrize(("length", "base"), [(1024, 6.0e3), (2048, 1.4e4), (4096, 2.9e4)])
def test_base_for_a_context_is_what_the_bound_gives(length: int, base: float) -> None:
    """Known answers for 128 channels on the same grid; arXiv:2405.14591, table 2, is near them."""
    found = base_for(128, length)
    assert found is not None
    assert float(f"{found:.1e}") == base
    assert longest(128, found, length) == length
    assert longest(128, found / 10**0.02, length) < length


def test_no_base_may_be_enough() -> None:
    assert base_for(4, 1_000) is None
    given = situation(rotary_dim=4, trained=100, target=1_000)
    found = explain(given, candidates([], given))
    assert found.base_needed is None
    assert "no base carries 1,000" in explanation_lines(found)[-1]


def test_pairs_that_never_turn_are_those_slower_than_the_trained_length() -> None:
    given = situation(rotary_dim=128, base=10_000.0, trained=4096, target=16_384)
    found = explain(given, candidates(["auto"], given))
    lengths = [2 * math.pi * 10_000.0 ** (2 * pair / 128) for pair in range(64)]
    np.testing.assert_allclose(found.wavelengths, lengths, rtol=1e-12)
    assert found.incomplete == tuple(pair for pair in range(64) if lengths[pair] > 4096)
    assert found.incomplete == tuple(range(46, 64))
    assert found.base_context == longest(128, 10_000.0, 32_768)
    first, second, third = explanation_lines(found)
    assert "From 4,096 to 16,384 tokens, by a factor of 4" in first
    assert "18 of 64 pairs never complete a turn in 4,096 tokens, from pair 46" in second
    assert "10,000 carries 1,706 tokens, and 16,384 take " in third


def test_ratios_say_how_much_slower_each_pair_turns() -> None:
    given = situation(rotary_dim=64, base=10_000.0, trained=1024, target=8192)
    ratios = explain(given, candidates(["auto"], given)).ratios
    assert ratios["none"] == (1.0,) * 32
    np.testing.assert_allclose(ratios["linear"], [1 / 8] * 32)
    np.testing.assert_allclose(ratios["ntk"], 8.0 ** (-np.arange(32) / 31))
    for name in ("yarn", "llama3"):
        assert ratios[name][0] == 1.0
        assert ratios[name][-1] == pytest.approx(1 / 8)


def test_all_pairs_may_turn() -> None:
    given = situation(rotary_dim=8, base=10.0, trained=1024, target=2048)
    found = explain(given, candidates([], given))
    assert found.incomplete == ()
    assert "All 4 pairs complete a turn" in explanation_lines(found)[1]


def test_a_pair_that_stands_still_has_no_wavelength() -> None:
    frequencies = phasor.geometric(8, 10.0)
    still = replace(
        frequencies, inv_freq=frequencies.inv_freq * (frequencies.inv_freq > 0.2), base=None
    )
    given = replace(situation(rotary_dim=8, trained=64, target=128), frequencies=still)
    found = explain(given, candidates([], given))
    assert math.isinf(found.wavelengths[-1])
    assert found.incomplete[-1] == 3
    assert found.base_needed is None

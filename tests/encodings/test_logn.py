"""Log-n attention against the list of numbers in Qwen's published code."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError


def gain(logn: phasor.LogN, positions: torch.Tensor) -> torch.Tensor:
    query = torch.ones(1, 2, len(positions), 3, dtype=torch.float64)
    scaled, key = logn.rotate(query, query, logn.prepare(positions, dtype=torch.float64))
    assert_close(key, query, rtol=0, atol=0)
    return scaled[0, 0, :, 0]


@pytest.mark.parametrize("length", [2, 64, 2048, 8192])
def test_equals_the_list_of_qwen(length: int) -> None:
    """Its entry for position m, counted from 0, is that of token i = m + 1."""
    theirs = [math.log(i, length) if i > length else 1 for i in range(1, 32_768)]
    ours = gain(phasor.LogN(length), torch.arange(32_767))
    assert_close(ours, torch.tensor(theirs, dtype=torch.float64), rtol=1e-14, atol=0)


def test_grows_without_end() -> None:
    far = torch.tensor([2**20 - 1, 2**40 - 1])
    assert_close(gain(phasor.LogN(1024), far), torch.tensor([2.0, 4.0]).double())
    padding = torch.tensor([-5, -1])
    assert_close(gain(phasor.LogN(1024), padding), torch.ones(2).double())


def test_the_softmax_stays_as_sharp() -> None:
    """Scores that give one of L keys half of the attention still do so with L^2 keys."""
    length = 16
    score = math.log(length - 1)  # e^score = the sum over the L - 1 keys at score 0
    for keys in (length, length**2):
        scale = gain(phasor.LogN(length), torch.tensor([keys - 1])).item()
        share = math.exp(score * scale) / (math.exp(score * scale) + keys - 1)
        assert share == pytest.approx(0.5, abs=0.04)
    assert math.exp(score) / (math.exp(score) + length**2 - 1) < 0.06


def test_positions_of_each_sequence() -> None:
    logn = phasor.LogN(4)
    query, positions = torch.randn(2, 3, 5, 8), torch.tensor([[0, 1, 2, 3, 4], [8, 9, 10, 11, 12]])
    scaled, _ = logn.rotate(query, None, logn.prepare(positions))
    for row in range(2):
        alone, _ = logn.rotate(query[row : row + 1], None, logn.prepare(positions[row]))
        assert_close(scaled[row : row + 1], alone, rtol=0, atol=0)


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="original_seq_len must be at least 2, got 1; pass"):
        phasor.LogN(1)
    logn = phasor.LogN(8)
    with pytest.raises(ArgumentError, match="prepared for 3 positions but query has 4"):
        logn.rotate(torch.ones(1, 1, 4, 2), None, logn.prepare(torch.arange(3)))
    with pytest.raises(ArgumentTypeError, match="query is float64 but LogN was prepared in"):
        logn.rotate(torch.ones(1, 1, 3, 2).double(), None, logn.prepare(torch.arange(3)))

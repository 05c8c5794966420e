"""Abacus against its rule, digit by digit in plain Python."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError


def by_hand(row: list[bool]) -> list[int]:
    places, run = [], 0
    for digit in row:
        run = run + 1 if digit else 0
        places.append(run)
    return places


@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4))
def test_places_are_counted_within_each_number(rows: list[list[bool]]) -> None:
    expected = [by_hand(row) for row in rows]
    assert phasor.positions.abacus(torch.tensor(rows)).tolist() == expected
    assert phasor.positions.abacus(torch.tensor(rows[0])).tolist() == expected[0]


def test_all_digits_of_a_batch_move_alike_and_nothing_else_moves() -> None:
    digits = torch.tensor([[True, True, False, True], [False, True, True, True]])
    plain = phasor.positions.abacus(digits)
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(200):
        moved = phasor.positions.abacus(digits, max_shift=3, generator=generator)
        assert bool((moved[~digits] == 0).all())
        (shift,) = set((moved - plain)[digits].tolist())
        seen.add(shift)
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 5)])
def test_no_tokens(shape: tuple[int, ...]) -> None:
    empty = torch.zeros(shape, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    assert phasor.positions.abacus(empty).shape == shape
    assert phasor.positions.abacus(empty, max_shift=2, generator=generator).shape == shape


def test_the_table_that_goes_with_it_is_long_enough() -> None:
    table = phasor.Learned(3 + 99 + 1, 8)
    generator = torch.Generator().manual_seed(0)
    digits = torch.tensor([True, True, True, False])
    for _ in range(300):
        table.prepare(phasor.positions.abacus(digits, max_shift=99, generator=generator))


def test_refuses_what_it_cannot_count() -> None:
    abacus, generator = phasor.positions.abacus, torch.Generator()
    digits = torch.ones(4, dtype=torch.bool)
    with pytest.raises(ArgumentTypeError, match=r"got torch\.int64; pass torch\.isin"):
        abacus(digits.long())
    with pytest.raises(ArgumentTypeError, match="got list"):
        abacus([True])
    with pytest.raises(ArgumentError, match=r"\[batch, seq\], got shape \[1, 1, 4\]"):
        abacus(digits[None, None])
    with pytest.raises(ArgumentError, match="got max_shift=99 and generator=None; pass both"):
        abacus(digits, max_shift=99)
    with pytest.raises(ArgumentError, match="got max_shift=None"):
        abacus(digits, generator=generator)
    with pytest.raises(ArgumentError, match="max_shift must be at least 0, got -1"):
        abacus(digits, max_shift=-1, generator=generator)

"""What is refused as positions, and how that is said."""

import pytest
import torch

from phasor import positions
from phasor.errors import ArgumentError, ArgumentTypeError, PositionRangeError


@pytest.mark.parametrize("shape", [(4,), (2, 4)])
def test_takes_positions_of_one_axis_and_of_several(shape: tuple[int, ...]) -> None:
    positions.check_positions(torch.zeros(shape), owner="Rotary")
    positions.check_positions(torch.zeros(*shape, 3), axes=3, owner="Rotary")


def test_refuses_what_are_no_positions() -> None:
    with pytest.raises(ArgumentTypeError, match=r"Rotary takes positions as a tensor, got list"):
        positions.check_positions([0, 1], owner="Rotary")
    with pytest.raises(ArgumentTypeError, match=r"got torch\.bool; .*positions\.from_mask"):
        positions.check_positions(torch.tensor([True]), owner="Rotary")
    with pytest.raises(ArgumentError, match=r"\[seq\] or \[batch, seq\], got shape \[1, 1, 1\]"):
        positions.check_positions(torch.zeros(1, 1, 1), owner="Rotary")
    with pytest.raises(ArgumentError, match=r"\[batch, seq, 3\], one number .* got shape \[4, 2\]"):
        positions.check_positions(torch.zeros(4, 2), axes=3, owner="Rotary")


def test_refuses_positions_that_do_not_cover() -> None:
    where = torch.zeros(2, 4)
    positions.check_covers(where, batch=2, seq=4, owner="Rotary", what="the query")
    positions.check_covers(where[:1], batch=3, seq=4, owner="Rotary", what="the query")
    with pytest.raises(ArgumentError, match="prepared for 4 positions but the query has 5 tokens"):
        positions.check_covers(where, batch=2, seq=5, owner="Rotary", what="the query")
    with pytest.raises(ArgumentError, match="prepared for a batch of 2 but the query has 3"):
        positions.check_covers(where, batch=3, seq=4, owner="Rotary", what="the query")


@pytest.mark.parametrize("outside", [4, -1, 4.0, 7.5, -0.5])
def test_refuses_positions_past_the_end(outside: float) -> None:
    says = f"Rotary has positions 0 to 3 but was asked for {outside}; make it longer"
    with pytest.raises(PositionRangeError, match=says):
        positions.check_range(
            torch.tensor([0, outside]), 4, owner="Rotary", advice="make it longer"
        )


def test_takes_positions_up_to_the_end() -> None:
    for where in (torch.arange(4), torch.tensor([3.5]), torch.empty(0), torch.ones(9).to("meta")):
        positions.check_range(where, 4, owner="Rotary", advice="make it longer")

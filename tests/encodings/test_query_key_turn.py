"""A turn of one's own: its table and its formula; the rest comes from `QueryKeyTurn`."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError, SiteError


class Turn(phasor.QueryKeyTurn):
    """As `phasor.Rotary`, and each head by a gain of its own."""

    paper = "none: an example"

    def __init__(self, head_dim: int, num_heads: int | None = None) -> None:
        super().__init__(head_dim, num_heads)
        self.gain = torch.nn.Parameter(1.0 + torch.arange(num_heads or 1))
        self.inv_freq = phasor.geometric(head_dim).inv_freq

    def table(self, positions: Tensor) -> tuple[Tensor, ...]:
        angle = positions[..., None].double() * self.inv_freq
        gain = self.of_heads(self.gain) if self.has_parts else self.gain
        return angle.cos()[:, None], angle.sin()[:, None], gain[None, :, None, None]

    def turn(self, x: Tensor, cos: Tensor, sin: Tensor, gain: Tensor) -> Tensor:  # type: ignore[override]
        first, second = x.chunk(2, dim=-1)
        return gain * torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class QueryOnly(phasor.QueryKeyTurn):
    """Queries times their position, keys as they are."""

    paper = "none: an example"
    turns_key = False

    def table(self, positions: Tensor) -> Tensor:
        return positions[:, None, :, None]

    def turn(self, x: Tensor, position: Tensor) -> Tensor:  # type: ignore[override]
        return x * position


def heads(count: int, *, batch: int = 2, seq: int = 5, dtype: Any = torch.float32) -> Tensor:
    return torch.randn(batch, count, seq, 8, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (2, 5)])
def test_it_turns_as_rotary_does(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    positions = torch.randint(0, 1000, shape)
    query, key = heads(4, dtype=dtype), heads(2, dtype=dtype)
    mine, rotary = Turn(8), phasor.Rotary(8)
    for later in (None, positions + 3):
        found = mine.rotate(query, key, mine(positions, key_positions=later, dtype=dtype))
        wanted = rotary.rotate(query, key, rotary(positions, key_positions=later, dtype=dtype))
        for one, other in zip(found, wanted, strict=True):
            assert one is not None
            assert one.dtype == dtype
            assert_close(one, other)


def test_groups_share_the_numbers_of_a_head() -> None:
    mine = Turn(8, num_heads=2)
    query, key = heads(4), heads(2)
    found, turned = mine.rotate(query, key, mine(torch.zeros(5, dtype=torch.int64)))
    assert turned is not None
    assert_close(found, query * torch.tensor([1.0, 1.0, 2.0, 2.0])[:, None, None])
    assert_close(turned, key * torch.tensor([1.0, 2.0])[:, None, None])


def test_some_heads_are_those_of_all() -> None:
    mine, positions = Turn(8, num_heads=4), torch.arange(5)
    query = heads(4)
    whole, _ = mine.rotate(query, None, mine(positions))
    part = mine.heads(1, 3)
    found, _ = part.rotate(query[:, 1:3], None, part(positions))
    assert torch.equal(found, whole[:, 1:3])


def test_a_cache_of_turned_keys() -> None:
    mine = Turn(8)
    query, key, value = (heads(4) for _ in range(3))
    whole = phasor.attention(query, key, value, mine)
    prepared = mine(torch.arange(4, 5))
    last, _ = mine.rotate(query[:, :, 4:], None, prepared)
    _, keys = mine.rotate(query, key, mine(torch.arange(5)))
    assert keys is not None
    assert_close(phasor.attention(last, keys, value, causal=False), whole[:, :, 4:])


def test_parameters_learn_and_are_not_kept() -> None:
    mine, query = Turn(8, num_heads=2), heads(2)
    prepared = mine(torch.arange(5))
    with torch.no_grad():
        before, _ = mine.rotate(query, None, prepared)
        mine.gain.zero_()
        after, _ = mine.rotate(query, None, prepared)
    assert torch.equal(before, after)
    found, _ = mine.rotate(query, None, mine(torch.arange(5)))
    found.sum().backward()
    assert mine.gain.grad is not None


def test_keys_may_stay_as_they_are() -> None:
    mine, query, key = QueryOnly(), heads(4), heads(2)
    found, same = mine.rotate(query, key, mine(torch.arange(5)))
    assert same is key
    assert torch.equal(found, query * torch.arange(5)[:, None])


def test_wrong_arguments_are_one_sentence() -> None:
    mine = Turn(8, num_heads=2)
    prepared = mine(torch.arange(5))
    with pytest.raises(ArgumentError, match="Turn was built for head_dim 8, got a query of shape"):
        mine.rotate(torch.zeros(1, 2, 5, 4), None, prepared)
    with pytest.raises(ArgumentError, match="Turn was built for 2 heads, got a query with 3"):
        mine.rotate(heads(3), None, prepared)
    with pytest.raises(ArgumentError, match=r"Turn .*5.*6"):
        mine.rotate(heads(2, seq=6), None, prepared)
    with pytest.raises(ArgumentTypeError, match="key is float64 but Turn was prepared in"):
        mine.rotate(heads(2), heads(2, dtype=torch.float64), prepared)
    with pytest.raises(ArgumentError, match="Turn"):
        mine(torch.zeros(2, 3, 4, dtype=torch.int64))


@pytest.mark.parametrize("method", ["table", "turn"])
def test_what_is_forgotten_is_an_error_when_the_class_is_made(method: str) -> None:
    other = {"table": "turn", "turn": "table"}[method]
    with pytest.raises(SiteError, match=rf"Half is a QueryKeyTurn but has no {method}\(\)"):
        type("Half", (phasor.QueryKeyTurn,), {other: lambda self, x: x, "paper": "none"})


def test_it_is_compiled_and_runs_under_autocast() -> None:
    mine, query = Turn(8), heads(2)
    positions = torch.arange(5)
    wanted, _ = mine.rotate(query, None, mine(positions))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = mine.rotate(query, None, mine(positions))
    assert torch.equal(found, wanted)
    compiled = torch.compile(
        lambda x: mine.rotate(x, None, mine(positions))[0], backend="eager", fullgraph=True
    )
    assert_close(compiled(query), wanted)

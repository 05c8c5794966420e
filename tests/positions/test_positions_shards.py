"""Shards of a sequence tile it, whatever the order, and go back together."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phasor import positions
from phasor.errors import ArgumentError, ArgumentTypeError

ORDERS = ["contiguous", "zigzag", "round_robin"]


def by_hand(seq: int, rank: int, ranks: int, order: str) -> list[int]:
    """The tokens of a rank, one by one from the definition."""
    if order == "round_robin":
        return [token for token in range(seq) if token % ranks == rank]
    if order == "contiguous":
        return [token for token in range(seq) if token // (seq // ranks) == rank]
    mine = {rank, 2 * ranks - 1 - rank}
    return [token for token in range(seq) if token // (seq // (2 * ranks)) in mine]


@settings(deadline=None)
@given(ranks=st.integers(1, 9), pieces=st.integers(0, 6), order=st.sampled_from(ORDERS))
def test_shards_tile_the_whole_exactly_once(ranks: int, pieces: int, order: str) -> None:
    seq = 2 * ranks * pieces if order == "zigzag" else ranks * pieces
    whole = torch.arange(seq)
    shards = [
        positions.shard(whole, rank=rank, world_size=ranks, order=order) for rank in range(ranks)
    ]
    for rank, shard in enumerate(shards):
        assert shard.tolist() == by_hand(seq, rank, ranks, order)
    gathered = torch.cat(shards)
    assert gathered.sort().values.tolist() == list(range(seq))
    back = positions.unshard_order(seq, ranks, order)
    assert back.dtype == torch.int64
    assert torch.equal(gathered[back], whole)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("shape", "dim"), [((2, 12), -1), ((12, 3), 0), ((2, 5, 12, 4), -2)])
def test_anything_along_the_sequence_goes_apart_and_together(
    shape: tuple[int, ...], dim: int, order: str
) -> None:
    whole = torch.randn(shape)
    shards = [
        positions.shard(whole, rank=rank, world_size=3, order=order, dim=dim) for rank in range(3)
    ]
    assert all(shard.is_contiguous() for shard in shards)
    back = positions.unshard_order(12, 3, order)
    assert torch.equal(torch.cat(shards, dim).index_select(dim, back), whole)


def test_causal_work_is_even_in_zigzag() -> None:
    work = [
        int((positions.shard(torch.arange(64), rank=r, world_size=4, order="zigzag") + 1).sum())
        for r in range(4)
    ]
    assert work == [sum(range(65)) // 4] * 4


def test_packed_documents_are_sharded_like_their_tokens() -> None:
    where, documents = positions.packed(torch.tensor([3, 5]))
    held = [
        positions.shard(numbers, rank=0, world_size=2, order="round_robin").tolist()
        for numbers in (where, documents)
    ]
    assert held == [[0, 2, 1, 3], [0, 0, 1, 1]]


def test_shards_stay_on_their_device() -> None:
    whole = torch.arange(8, device="meta")
    assert positions.shard(whole, rank=1, world_size=2, order="zigzag").device.type == "meta"
    assert positions.unshard_order(8, 2, "zigzag", device="meta").device.type == "meta"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"world_size": 3}, "multiple of 3 tokens for 3 ranks in order 'contiguous', got 8; .* 9$"),
        ({"world_size": 3, "order": "zigzag"}, "multiple of 6 tokens .* got 8; pad it to 12"),
        ({"world_size": 0}, "world_size must be at least 1, got 0; pass the number of ranks"),
        ({"rank": 2}, "rank must be less than world_size=2, got 2; .* not the one in the whole"),
        ({"rank": -1}, "rank must be at least 0, got -1; pass the rank within the group"),
        ({"order": "striped"}, "order must be 'contiguous', 'zigzag' or 'round_robin', got 'strip"),
        ({"dim": 1}, r"dim must be an axis of positions of shape \[8\], got 1; pass the axis"),
    ],
)
def test_refuses_shards_that_are_none(changes: dict[str, object], says: str) -> None:
    good = {"rank": 0, "world_size": 2, "order": "contiguous"}
    with pytest.raises(ArgumentError, match=says):
        positions.shard(torch.arange(8), **good | changes)


def test_refuses_what_cannot_be_sharded() -> None:
    with pytest.raises(ArgumentTypeError, match="shard takes positions as a tensor, got range"):
        positions.shard(range(8), rank=0, world_size=2, order="zigzag")
    with pytest.raises(ArgumentError, match=r"dim must be an axis .* shape \[\], got -1"):
        positions.shard(torch.tensor(1), rank=0, world_size=1, order="contiguous")
    with pytest.raises(
        ArgumentError, match=r"multiple of 4 tokens for 2 ranks .* got 6; pad it to 8"
    ):
        positions.unshard_order(6, 2, "zigzag")
    with pytest.raises(ArgumentError, match="seq must be at least 0, got -4"):
        positions.unshard_order(-4, 2, "zigzag")

"""Positions of text: padded, packed, and continued after a cache."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phasor import positions
from phasor.errors import ArgumentError, ArgumentTypeError

LENGTHS = st.lists(st.integers(0, 9), max_size=8)


def test_padding_on_either_side() -> None:
    mask = torch.tensor([[0, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    assert positions.from_mask(mask).tolist() == [[0, 0, 1, 2], [0, 1, 1, 1], [0, 0, 0, 0]]


def test_packing_restarts_with_each_document() -> None:
    where, documents = positions.packed(torch.tensor([2, 0, 3]))
    assert where.tolist() == [0, 1, 0, 1, 2]
    assert documents.tolist() == [0, 0, 2, 2, 2]
    mask = positions.same_document(documents)
    assert mask.shape == (1, 5, 5)
    assert mask[0, 1].tolist() == [True, True, False, False, False]


def test_documents_of_new_queries_against_a_cache() -> None:
    mask = positions.same_document(torch.tensor([1]), torch.tensor([0, 1, 1]))
    assert mask.tolist() == [[[False, True, True]]]


@settings(deadline=None)
@given(lengths=LENGTHS, dtype=st.sampled_from([torch.int64, torch.int32, torch.uint8]))
def test_a_packed_row_is_its_documents_one_after_the_other(
    lengths: list[int], dtype: torch.dtype
) -> None:
    where, documents = positions.packed(torch.tensor(lengths, dtype=dtype))
    assert where.dtype == documents.dtype == torch.int64
    assert where.tolist() == [token for length in lengths for token in range(length)]
    assert documents.tolist() == [
        number for number, length in enumerate(lengths) for _ in range(length)
    ]


@settings(deadline=None)
@given(lengths=LENGTHS, dtype=st.sampled_from([torch.int64, torch.int32, torch.uint8]))
def test_boundaries_and_document_numbers_say_what_lengths_say(
    lengths: list[int], dtype: torch.dtype
) -> None:
    where, documents = positions.packed(torch.tensor(lengths, dtype=torch.int64))
    boundaries = torch.tensor([sum(lengths[:end]) for end in range(len(lengths) + 1)], dtype=dtype)
    got_where, got_documents = positions.from_cu_seqlens(boundaries)
    assert torch.equal(got_where, where)
    assert torch.equal(got_documents, documents)
    # Any numbers will do for documents, in any order.
    again = positions.from_documents((7 - documents * 3).to(torch.int32))
    assert again.dtype == torch.int64
    assert torch.equal(again, where)


@settings(deadline=None)
@given(rows=st.lists(st.permutations(range(4)), max_size=4), repeats=st.integers(1, 3))
def test_documents_of_a_batch(rows: list[list[int]], repeats: int) -> None:
    ids = torch.tensor(rows, dtype=torch.int64).reshape(-1, 4).repeat_interleave(repeats, dim=1)
    assert positions.from_documents(ids).tolist() == [list(range(repeats)) * 4] * len(rows)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_no_tokens_have_no_positions(shape: tuple[int, ...]) -> None:
    assert positions.from_documents(torch.zeros(shape, dtype=torch.int64)).shape == shape


@settings(deadline=None)
@given(prefixes=st.lists(st.integers(0, 2**40), max_size=5), seq=st.integers(0, 5))
def test_new_tokens_go_on_where_their_own_cache_ends(prefixes: list[int], seq: int) -> None:
    got = positions.after_cache(torch.tensor(prefixes, dtype=torch.int64), seq)
    assert got.shape == (len(prefixes), seq)
    assert got.tolist() == [list(range(prefix, prefix + seq)) for prefix in prefixes]


def test_a_prompt_and_what_follows_it_are_the_whole() -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    whole = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    new = positions.after_cache(mask.sum(1).to(torch.int32), 2)
    assert new.dtype == torch.int64
    together = torch.cat([positions.from_mask(mask), new], dim=1)
    assert torch.equal(together, positions.from_mask(whole))


def test_positions_stay_on_the_device_of_their_input() -> None:
    ids = torch.zeros(2, 3, dtype=torch.int64, device="meta")
    assert positions.from_mask(ids).device.type == "meta"
    assert positions.after_cache(ids[:, 0], 4).device.type == "meta"
    assert positions.same_document(ids).device.type == "meta"


@pytest.mark.parametrize("lengths", [torch.tensor([[1, 2]]), torch.tensor([2, -1])])
def test_refuses_lengths_that_are_none(lengths: torch.Tensor) -> None:
    with pytest.raises(ArgumentError, match="number of tokens of each document"):
        positions.packed(lengths)


@pytest.mark.parametrize("value", [[1, 2], torch.tensor([0.5, 1.0]), torch.tensor([True])])
def test_refuses_what_is_no_tensor_of_integers(value: object) -> None:
    for name, function in {
        "lengths": positions.packed,
        "cu_seqlens": positions.from_cu_seqlens,
        "document_ids": positions.from_documents,
        "cache_lengths": lambda lengths: positions.after_cache(lengths, 1),
    }.items():
        with pytest.raises(ArgumentTypeError, match=f"{name} must be a tensor of integers, got"):
            function(value)


def test_refuses_an_attention_mask_as_padding_mask() -> None:
    with pytest.raises(ArgumentError, match=r"mask must be \[batch, seq\], got shape \[1, 1, 4, 4"):
        positions.from_mask(torch.ones(1, 1, 4, 4))


@pytest.mark.parametrize(
    ("boundaries", "says"),
    [
        ([], r"must be \[documents \+ 1\], got shape \[0\]"),
        ([[0, 2]], r"must be \[documents \+ 1\], got shape \[1, 2\]; .* of one packed row"),
        ([3, 5], r"must start at 0, got 3; for lengths .*positions\.packed\(lengths\)"),
        ([0, 5, 3, 8], r"must not decrease, got 5 then 3 at index 2, .* would overlap"),
    ],
)
def test_refuses_boundaries_that_are_none(boundaries: list[int], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        positions.from_cu_seqlens(torch.tensor(boundaries, dtype=torch.int32))


def test_refuses_a_document_in_several_places() -> None:
    with pytest.raises(ArgumentError, match=r"got document 4 in several places; give each run"):
        positions.from_documents(torch.tensor([4, 4, 9, 4]))
    with pytest.raises(ArgumentError, match=r"got document 2 in several places of row 1;"):
        positions.from_documents(torch.tensor([[1, 1, 1], [2, 3, 2]]))
    with pytest.raises(ArgumentError, match=r"got shape \[1, 1, 2\]; .* not the attention mask"):
        positions.from_documents(torch.zeros(1, 1, 2, dtype=torch.int64))


def test_refuses_caches_that_are_none() -> None:
    with pytest.raises(ArgumentError, match=r"cache_lengths must be \[batch\], got shape \[\]"):
        positions.after_cache(torch.tensor(3), 1)
    with pytest.raises(ArgumentError, match="seq must be at least 0, got -1; pass the number of"):
        positions.after_cache(torch.tensor([3]), -1)
    with pytest.raises(ArgumentTypeError, match=r"seq must be an integer, got 1\.0"):
        positions.after_cache(torch.tensor([3]), 1.0)

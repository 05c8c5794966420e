"""Building positions."""

import pytest
import torch

from phasor import positions
from phasor.errors import ArgumentError, ArgumentTypeError


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


@pytest.mark.parametrize("lengths", [torch.tensor([[1, 2]]), torch.tensor([2, -1])])
def test_refuses_lengths_that_are_none(lengths: torch.Tensor) -> None:
    with pytest.raises(ArgumentError, match="number of tokens of each document"):
        positions.packed(lengths)


@pytest.mark.parametrize("lengths", [[1, 2], torch.tensor([0.5, 1.0])])
def test_refuses_lengths_that_are_no_integers(lengths: object) -> None:
    with pytest.raises(ArgumentTypeError, match="lengths must be a tensor of integers"):
        positions.packed(lengths)


def test_refuses_an_attention_mask_as_padding_mask() -> None:
    with pytest.raises(ArgumentError, match=r"mask must be \[batch, seq\], got shape \[1, 1, 4, 4"):
        positions.from_mask(torch.ones(1, 1, 4, 4))

"""The public rotation into a cache, on the CPU: rows, mutation, compilation, errors."""

import re

import pytest
import torch
from torch import Tensor

import phasor
from phasor.errors import ArgumentError, PhasorError, PositionRangeError
from phasor.kernels.cache import rotate_into_cache
from phasor.kernels.norm import norm_rotate


def inputs(batch: int = 2, seq: int = 3) -> dict[str, Tensor | phasor.Frequencies]:
    return {
        "query": torch.randn(batch, 4, seq, 8),
        "key": torch.randn(batch, 2, seq, 8),
        "value": torch.randn(batch, 2, seq, 6),
        "positions": torch.arange(seq) + 7,
        "frequencies": phasor.geometric(8),
        "key_cache": torch.full((batch, 2, 10, 8), torch.nan),
        "value_cache": torch.full((batch, 2, 10, 6), torch.nan),
        "slots": torch.arange(seq) + 7,
    }


def test_a_contiguous_cache() -> None:
    given = inputs()
    query, key = phasor.rotate(
        given["query"], given["key"], given["positions"], given["frequencies"]
    )
    torch.testing.assert_close(rotate_into_cache(**given), query)
    torch.testing.assert_close(given["key_cache"][:, :, 7:10], key)
    torch.testing.assert_close(given["value_cache"][:, :, 7:10], given["value"])
    assert given["key_cache"][:, :, :7].isnan().all()
    assert given["value_cache"][:, :, :7].isnan().all()


def test_packed_tokens_in_a_paged_cache_with_norm() -> None:
    given = inputs(batch=1, seq=5)
    weights = {"query_weight": torch.rand(8), "key_weight": torch.rand(8)}
    given |= {
        "key_cache": torch.full((3, 4, 2, 8), torch.nan),
        "value_cache": torch.full((3, 4, 2, 6), torch.nan),
        "slots": torch.tensor([11, 4, -1, 0, 7]),
    }
    query, key = norm_rotate(
        given["query"], given["key"], *weights.values(), given["positions"], given["frequencies"]
    )
    torch.testing.assert_close(rotate_into_cache(**given, **weights, paged=True), query)
    for token, (block, row) in {0: (2, 3), 1: (1, 0), 3: (0, 0), 4: (1, 3)}.items():
        torch.testing.assert_close(given["key_cache"][block, row], key[0, :, token])
        torch.testing.assert_close(given["value_cache"][block, row], given["value"][0, :, token])
    assert (~given["key_cache"].isnan()).sum() == 4 * 2 * 8


def test_in_place_and_compiled() -> None:
    given, same = inputs(), inputs()
    same |= {name: given[name].clone() for name in ("query", "key", "value")}

    def step(query: Tensor, key_cache: Tensor, value_cache: Tensor) -> Tensor:
        rest = {name: same[name] for name in ("key", "value", "positions", "frequencies", "slots")}
        return rotate_into_cache(
            query=query, key_cache=key_cache, value_cache=value_cache, **rest, inplace=True,
        )  # fmt: skip

    expected = rotate_into_cache(**given)
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    found = compiled(same["query"], same["key_cache"], same["value_cache"])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(same["query"], expected)
    for name in ("key_cache", "value_cache"):
        torch.testing.assert_close(same[name], given[name], equal_nan=True)


@pytest.mark.parametrize("name", ["rotate_into_cache", "rotate_into_cache_"])
def test_checked_by_torch(name) -> None:
    given = inputs()
    operand = given["frequencies"].operand(given["positions"])
    torch.library.opcheck(
        getattr(torch.ops.phasor, name).default,
        (given["query"], given["key"], given["value"], None, None, torch.zeros(2, 2, 10, 8),
         torch.zeros(2, 2, 10, 6), given["slots"].expand(2, 3), given["positions"][None, :, None],
         operand, 0, 1e-6, False, False, 0, 1.0, False),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_cache": torch.ones(2, 10, 2, 8)}, "key_cache must be [2, 2, max_len, 8]"),
        ({"paged": True}, "key_cache must be [num_blocks, block_size, 2, 8]"),
        ({"value_cache": torch.ones(2, 2, 9, 6)}, "agree in all but their last axis"),
        ({"key_cache": torch.ones(2, 2, 10, 8).half()}, "must have dtype and device of key"),
        ({"slots": torch.arange(4)}, "slots must be [3] or [2, 3], one for each token"),
        ({"slots": torch.ones(3)}, "slots must be a tensor of integers"),
        ({"query_weight": torch.ones(8)}, "query_weight and key_weight go together"),
        ({"value": torch.ones(2, 2, 4, 6)}, "agree in batch, num_kv_heads and seq"),
        ({"query": torch.ones(2, 4, 3, 8, requires_grad=True)}, "wrap the call in torch.no_grad()"),
        (
            {"query": torch.ones(2, 4, 8, 3).mT, "inplace": True},
            "must have channels side by side",
        ),
    ],
)
def test_errors(change, message) -> None:
    with pytest.raises(PhasorError, match=re.escape(message)):
        rotate_into_cache(**{**inputs(), **change})


@pytest.mark.parametrize("slot", [10, -2])
def test_slots_that_the_cache_does_not_have(slot) -> None:
    with pytest.raises(PositionRangeError, match=f"slots 0 to 9, .* contains {slot}"):
        rotate_into_cache(**{**inputs(), "slots": torch.tensor([0, slot, 1])})


def test_a_gradient_is_refused_only_where_it_is_wanted() -> None:
    given = inputs()
    given["query"].requires_grad_()
    with pytest.raises(ArgumentError, match="a gradient is wanted"):
        rotate_into_cache(**given)
    with torch.no_grad():
        rotate_into_cache(**given)


@pytest.mark.parametrize("inplace", [False, True])
def test_autograd_notices_what_is_written(inplace) -> None:
    given = inputs()
    watched = {name: given[name] for name in ("key_cache", "value_cache", "query")}
    before = {name: x._version for name, x in watched.items()}
    rotate_into_cache(**given, inplace=inplace)
    for name, x in watched.items():
        assert (x._version > before[name]) == (inplace or name != "query")

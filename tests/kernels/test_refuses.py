"""What cannot be rotated, and what is said about it."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.kernels import cpu

FREQUENCIES = phasor.geometric(8)
QUERY, KEY = torch.randn(2, 4, 5, 12), torch.randn(2, 2, 5, 12)
POSITIONS = torch.arange(5)


def call(**changes: Any) -> object:
    arguments = {"query": QUERY, "key": KEY, "positions": POSITIONS, "frequencies": FREQUENCIES}
    return phasor.rotate(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"query": QUERY[0, 0]},
            ArgumentError,
            r"query must be \[batch, num_heads, seq, head_dim\]",
        ),
        ({"query": QUERY[..., :6]}, ArgumentError, "turns 8 channels but query has head_dim 6"),
        (
            {"query": QUERY.long()},
            ArgumentTypeError,
            "query must be floating point, got torch.int64",
        ),
        ({"key": KEY.long()}, ArgumentTypeError, "key must be floating point, got torch.int64"),
        ({"key": KEY[:1]}, ArgumentError, "query and key must agree in batch"),
        ({"key": KEY[:, :, :4]}, ArgumentError, "prepared for 5 positions but key has 4 tokens"),
        ({"key": KEY[..., :4]}, ArgumentError, "turns 8 channels but key has head_dim 4"),
        ({"positions": torch.arange(4)}, ArgumentError, "for 4 positions but query has 5 tokens"),
        ({"positions": torch.zeros(3, 5)}, ArgumentError, "a batch of 3 but query has 2"),
        ({"positions": torch.zeros(5, 2)}, ArgumentError, "for 2 positions but query has 5"),
        ({"positions": torch.ones(5) > 0}, ArgumentTypeError, "integer or float positions"),
        ({"positions": [0, 1, 2, 3, 4]}, ArgumentTypeError, "positions as a tensor, got list"),
        (
            {"positions": POSITIONS.to("meta")},
            ArgumentError,
            "must be on one device, got cpu and m",
        ),
        ({"key": KEY.to("meta")}, ArgumentError, "query and key must be on one device"),
        ({"layout": "neox"}, ArgumentError, "layout must be one of"),
        ({"rotary_slice": "middle"}, ArgumentError, "rotary_slice must be one of"),
        ({"precision": "double"}, ArgumentError, "precision must be one of"),
        ({"impl": "cuda"}, ArgumentError, "impl must be one of"),
        (
            {"frequencies": torch.arange(4)},
            ArgumentError,
            "or, where they are learned, a float ten",
        ),
        ({"frequencies": 10_000.0}, ArgumentError, "must be phasor.Frequencies or"),
        ({"frequencies": torch.rand(4)}, ArgumentError, r"must be \[axes, pairs\] or \[num_heads"),
        ({"frequencies": torch.rand(4, 1, 4)}, ArgumentError, "of 4 heads do not fit key with 2"),
        ({"query": QUERY[0], "key": KEY}, ArgumentError, "must both be packed"),
        (
            {"query": QUERY[0], "key": None, "positions": torch.zeros(1, 4)},
            ArgumentError,
            r"takes positions \[tokens\], got shape \[1, 4\]",
        ),
    ],
)
def test_refuses_with_advice(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(**changes)


def fused() -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key as columns of one projection, in either order of memory."""
    return torch.randn(2, 5, 6, 12).transpose(1, 2), torch.randn(2, 6, 5, 12)


def test_in_place_of_columns_of_one_buffer() -> None:
    for whole in fused():
        query, key = whole[:, :4], whole[:, 4:]
        wanted = phasor.rotate(query, key, POSITIONS, FREQUENCIES)
        phasor.rotate(query, key, POSITIONS, FREQUENCIES, inplace=True)
        assert_close((query, key), wanted, rtol=0, atol=0)


@pytest.mark.parametrize("which", [0, 1])
def test_in_place_refuses_what_shares_memory(which: int) -> None:
    whole = fused()[which]
    kept = whole.clone()
    shared = [
        (whole, whole),
        (whole[:, :4], whole[:, 3:]),
        (whole[:, :, :4], whole[:, :, 1:]),
        (whole[..., :8], whole[..., 4:]),
    ]
    for query, key in shared:
        positions = torch.arange(query.shape[2])
        with pytest.raises(ArgumentError, match="query and key share memory"):
            phasor.rotate(query, key, positions, FREQUENCIES, inplace=True)
    expanded = torch.randn(2, 1, 5, 12).expand(2, 4, 5, 12)
    with pytest.raises(ArgumentError, match=r"query has elements that share memory.*\.clone\(\)"):
        call(query=expanded, inplace=True)
    with pytest.raises(ArgumentError, match="key has elements that share memory"):
        call(key=expanded, inplace=True)
    sliding = torch.randn(100).as_strided((1, 2, 5, 12), (0, 20, 4, 1))
    with pytest.raises(ArgumentError, match="query has elements that share memory"):
        call(query=sliding, key=None, inplace=True)
    assert_close(whole, kept, rtol=0, atol=0)
    assert_close(call(query=expanded)[0], call(query=expanded.clone())[0])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"impl": "triton"}, "the tensors are on cpu, not on a GPU"),
        ({"impl": "cpu", "frequencies": torch.rand(4, 1, 4), "key": None}, "each head's own"),
        ({"impl": "cpu", "query": QUERY.repeat_interleave(2, -1)[..., ::2]}, "must be contiguous"),
        (
            {
                "impl": "cpu",
                "query": QUERY.to("meta"),
                "key": None,
                "positions": POSITIONS.to("meta"),
            },
            "the tensors are on meta",
        ),
    ],
)
def test_a_forced_implementation_says_why_it_cannot(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"{why}.*use impl='auto'"):
        call(**changes)


def test_without_the_library_cpu_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "why_missing", lambda: "the native rotation was not built")
    with pytest.raises(NotImplementedError, match="the native rotation was not built"):
        call(impl="cpu")


@pytest.mark.skipif(cpu.why_missing() is not None, reason="no compiled library")
def test_forced_implementations_agree() -> None:
    wanted = call(impl="reference")
    assert_close(call(impl="cpu"), wanted)
    assert_close(call(impl="auto"), call(impl="cpu"), rtol=0, atol=0)

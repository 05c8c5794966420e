"""Documents, windows, softcap, scale and masks, in any combination and by every way."""

from typing import Any

import pytest
import torch
from attention.oracle import oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor.attention import blocks
from phasor.errors import ArgumentError, ArgumentTypeError

HEADS, DIM = 4, 8
SLOPES = [0.25, 0.0625, 0.015625, 0.00390625]  # 2^(-8h/H)


@st.composite
def calls(draw: st.DrawFn) -> tuple[list[Tensor], bool, dict[str, Any]]:
    batch, seq = draw(st.integers(1, 2)), draw(st.integers(1, 9))
    key_seq = seq + draw(st.sampled_from([0, 0, 1, 6]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    kv_heads = draw(st.sampled_from([1, 2, 4]))
    tensors = [
        torch.randn(batch, heads, length, DIM, dtype=torch.float64, generator=generator)
        for heads, length in ((HEADS, seq), (kv_heads, key_seq), (kv_heads, key_seq))
    ]
    documents = mask = None
    if draw(st.booleans()):
        shape = draw(st.sampled_from([(key_seq,), (1, key_seq), (batch, key_seq)]))
        documents = torch.randint(3, shape, generator=generator).sort().values
    if draw(st.booleans()):
        sizes = (draw(st.sampled_from([1, full])) for full in (batch, HEADS, seq, key_seq))
        mask = torch.rand(*sizes, generator=generator) < 0.7
    rules = {
        "causal": draw(st.booleans()),
        "window": draw(st.none() | st.integers(1, 10)),
        "key_documents": documents,
        "mask": mask,
        "softcap": draw(st.sampled_from([None, None, 0.7, 30.0])),
        "scale": draw(st.sampled_from([None, 1.0, 0.3])),
    }
    return tensors, draw(st.booleans()), rules


def gradients(out: Tensor, tensors: list[Tensor]) -> tuple[Tensor, ...]:
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return torch.autograd.grad((out * weight).sum(), tensors, materialize_grads=True)


@pytest.mark.parametrize("impl", ["auto", "sdpa", "blockwise", "reference"])
@settings(max_examples=25, deadline=None)
@given(calls(), st.integers(1, 60))
def test_equals_the_formula(
    impl: str, call: tuple[list[Tensor], bool, dict[str, Any]], area: int
) -> None:
    tensors, biased, rules = call
    tensors = [x.requires_grad_() for x in tensors]
    encoding = phasor.ALiBi(HEADS) if biased else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "LEAST_ROWS", 1)
        patch.setattr(blocks, "BLOCK_BYTES", 8 * HEADS * len(tensors[0]) * area)
        if impl == "sdpa" and rules["softcap"] is not None:
            with pytest.raises(NotImplementedError, match="softcap does more to a score"):
                phasor.attention(*tensors, encoding, impl=impl, **rules)
            return
        out = phasor.attention(*tensors, encoding, impl=impl, **rules)
        found = gradients(out, tensors)
    expected = oracle(*tensors, SLOPES if biased else [0.0] * HEADS, **rules)
    assert_close(out, expected, rtol=1e-10, atol=1e-10)
    for got, want in zip(found, gradients(expected, tensors), strict=True):
        assert_close(got, want, rtol=1e-9, atol=1e-9)


def test_documents_of_queries_and_keys() -> None:
    query, key, value = torch.randn(3, 1, HEADS, 6, DIM, dtype=torch.float64)
    ids = torch.tensor([0, 0, 1, 1, 1, 2])
    whole = phasor.attention(query, key, value, documents=ids)
    assert_close(whole, phasor.attention(query, key, value, key_documents=ids))
    mask = phasor.positions.same_document(ids)
    assert_close(whole, phasor.attention(query, key, value, mask=mask, impl="reference"))
    last = phasor.attention(query[:, :, 4:], key, value, documents=ids[4:], key_documents=ids)
    assert_close(last, whole[:, :, 4:])
    other = phasor.attention(
        query, key, value, documents=ids[[5] * 6], key_documents=ids, causal=False
    )
    assert_close(other, value[:, :, 5:].expand_as(other))  # one key in document 2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"window": 0}, ArgumentError, "window must be at least 1, the query itself, got 0"),
        ({"window": 2.0}, ArgumentTypeError, "window must be a number of tokens, got 2.0"),
        ({"window": True}, ArgumentTypeError, "window must be a number of tokens, got True"),
        ({"softcap": 0.0}, ArgumentError, "softcap must be positive and finite, got 0.0"),
        ({"softcap": "2"}, ArgumentTypeError, "softcap must be a number, got str"),
        ({"scale": float("nan")}, ArgumentError, "scale must be positive and finite, got nan"),
        ({"documents": torch.zeros(7)}, ArgumentTypeError, "documents must be integers"),
        (
            {"documents": torch.ones(6, dtype=torch.bool)},
            ArgumentTypeError,
            "a mask of padding goes into mask=",
        ),
        ({"documents": torch.zeros(5).long()}, ArgumentError, r"must be \[6\] or \[2, 6\], got"),
        ({"documents": torch.zeros(3, 6).long()}, ArgumentError, r"got shape \[3, 6\]"),
        ({"key_documents": torch.zeros(5).long()}, ArgumentError, "key_documents must be"),
        ({"documents": torch.zeros(6).long(), "cached": 2}, ArgumentError, "not for 8 keys"),
        (
            {"key_documents": torch.zeros(4).long(), "cached": -2, "causal": False},
            ArgumentError,
            "6 queries and only 4 keys to take documents from",
        ),
    ],
)
def test_refuses(change: dict[str, Any], error: type[Exception], message: str) -> None:
    rest = {name: value for name, value in change.items() if name != "cached"}
    query = torch.randn(2, HEADS, 6, DIM)
    key, value = torch.randn(2, 2, HEADS, 6 + change.get("cached", 0), DIM)
    with pytest.raises(error, match=message):
        phasor.attention(query, key, value, **rest)


# PyTorch's own, when dynamo traces a batched mask.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:flex_attention called without:UserWarning")
@settings(max_examples=10, deadline=None)
@given(calls())
def test_flex_attention_equals_the_formula(
    call: tuple[list[Tensor], bool, dict[str, Any]],
) -> None:
    """What is handed to it, by the plain form of it, which needs no compiler."""
    tensors, biased, rules = call
    torch.compiler.reset()
    narrow = [x.float() for x in tensors]
    encoding = phasor.ALiBi(HEADS) if biased else None
    attend = torch.compile(
        lambda *tensors: phasor.attention(*tensors, encoding, impl="flex", **rules),
        backend="eager",
    )
    expected = oracle(*tensors, SLOPES if biased else [0.0] * HEADS, **rules)
    assert_close(attend(*narrow).double(), expected, rtol=1e-4, atol=1e-5)


# PyTorch's own, when dynamo traces a batched mask.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_flex_attention_compiled() -> None:
    query = torch.randn(2, HEADS, 130, 16)
    key, value = torch.randn(2, 2, 2, 150, 16)
    rules = {
        "window": 70,
        "key_documents": torch.randint(3, (2, 150)).sort().values,
        "softcap": 5.0,
        "mask": torch.rand(2, 1, 1, 150) < 0.9,
    }
    alibi = phasor.ALiBi(HEADS)
    out = phasor.attention(query, key, value, alibi, impl="flex", **rules)
    reference = phasor.attention(query, key, value, alibi, impl="reference", **rules)
    assert_close(out, reference, rtol=1e-4, atol=1e-5)


class Row(phasor.PositionEncoding):
    """Needs a row: adds the largest score so far."""

    sites = frozenset({"score"})
    score_needs_row = True
    paper = "none"

    def prepare(self, positions: Tensor, **_: object) -> None:
        return None

    def score_mod(self, prepared: object) -> phasor.encoding.ScoreMod:
        return lambda score, batch, head, i, j: score + score.cummax(-1).values


@pytest.mark.parametrize(
    ("change", "encoding", "reason"),
    [
        ({}, Row(), "Row needs all scores of a query at once"),
        ({"dtype": torch.float64}, None, "no float64"),
        ({"seq": 0}, None, "takes no empty tensors"),
        ({"requires_grad": True}, None, "no gradient on CPU"),
        ({}, phasor.T5Bias(HEADS), "no gradient on CPU"),
    ],
)
def test_flex_attention_says_why_not(
    change: dict[str, Any], encoding: phasor.PositionEncoding | None, reason: str
) -> None:
    options = {name: value for name, value in change.items() if name != "seq"}
    query, key, value = torch.zeros(3, 1, HEADS, change.get("seq", 6), DIM, **options)
    with pytest.raises(NotImplementedError, match=reason):
        phasor.attention(query, key, value, encoding, impl="flex")


@pytest.mark.parametrize("window", [None, 3])
def test_rows_are_whole_for_an_encoding_that_needs_them(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LEAST_ROWS", 1)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * HEADS * 20)
    query, key, value = torch.randn(3, 1, HEADS, 11, DIM, dtype=torch.float64)
    out = phasor.attention(query, key, value, Row(), window=window)
    reference = phasor.attention(query, key, value, Row(), window=window, impl="reference")
    assert_close(out, reference, rtol=1e-12, atol=1e-12)

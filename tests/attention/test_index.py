"""Where queries and keys stand in the sequence, said by their indices and not by their order."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import phasor
from phasor.attention import blocks
from phasor.errors import ArgumentError, ArgumentTypeError

HEADS, DIM = 4, 8
SLOPES = torch.tensor([0.25, 0.0625, 0.015625, 0.00390625], dtype=torch.float64)


def dense(
    query: Tensor, key: Tensor, value: Tensor, query_index: Tensor, key_index: Tensor, **rules: Any
) -> tuple[Tensor, Tensor]:
    """Attention with ALiBi, written down, and the logarithm of the sum under its softmax."""
    key, value = (x.repeat_interleave(HEADS // x.shape[1], 1) for x in (key, value))
    distance = query_index.reshape(-1, query.shape[2], 1) - key_index.reshape(-1, 1, key.shape[2])
    allowed = torch.ones_like(distance, dtype=torch.bool)
    if rules["causal"]:
        allowed &= distance >= 0
    if rules["window"] is not None:
        allowed &= distance.abs() < rules["window"]
    if rules["documents"] is not None:
        allowed &= rules["documents"][:, None] == rules["key_documents"][None]
    score = query @ key.mT / DIM**0.5 - SLOPES[:, None, None] * distance.abs()[:, None]
    score = score.masked_fill(~allowed[:, None], -torch.inf)
    lse = score.logsumexp(-1)
    return score.softmax(-1).nan_to_num(0.0) @ value, lse


@st.composite
def calls(draw: st.DrawFn) -> tuple[list[Tensor], dict[str, Any]]:
    batch, seq, key_seq = draw(st.integers(1, 2)), draw(st.integers(1, 9)), draw(st.integers(1, 12))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    kv_heads = draw(st.sampled_from([1, 4]))
    tensors = [
        torch.randn(batch, heads, length, DIM, dtype=torch.float64, generator=generator)
        for heads, length in ((HEADS, seq), (kv_heads, key_seq), (kv_heads, key_seq))
    ]
    rows = draw(st.sampled_from([(), (1,), (batch,)]))
    documents = key_documents = None
    if draw(st.booleans()):
        documents = torch.randint(2, (seq,), generator=generator)
        key_documents = torch.randint(2, (key_seq,), generator=generator)
    return tensors, {
        "query_index": torch.randint(20, (*rows, seq), generator=generator),
        "key_index": torch.randint(20, (*rows, key_seq), generator=generator),
        "causal": draw(st.booleans()),
        "window": draw(st.none() | st.integers(1, 9)),
        "documents": documents,
        "key_documents": key_documents,
    }


@pytest.mark.parametrize("impl", ["auto", "sdpa", "blockwise", "reference"])
@settings(max_examples=15, deadline=None)
@given(calls(), st.integers(1, 60))
def test_equals_what_is_written_down(
    impl: str, call: tuple[list[Tensor], dict[str, Any]], area: int
) -> None:
    tensors, rules = call
    tensors = [x.requires_grad_() for x in tensors]
    expected, lse = dense(*tensors, **rules)
    weight = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).view_as(expected)
    wanted = torch.autograd.grad((expected * weight).sum(), tensors)
    alibi = phasor.ALiBi(HEADS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "LEAST_ROWS", 1)
        patch.setattr(blocks, "BLOCK_BYTES", 8 * HEADS * len(tensors[0]) * area)
        out = phasor.attention(*tensors, alibi, impl=impl, **rules)
        found = torch.autograd.grad((out * weight).sum(), tensors)
        assert_close(out, expected, rtol=1e-10, atol=1e-10)
        empty = lse.isinf().any(-1).any()  # its gradient, in the formula above, is no number
        for got, want in zip(found, () if empty else wanted, strict=not empty):
            assert_close(got, want, rtol=1e-9, atol=1e-9)
        if impl == "sdpa":
            with pytest.raises(NotImplementedError, match="keeps the log-sum-exp of its scores"):
                phasor.attention(*tensors, alibi, impl=impl, return_lse=True, **rules)
            return
        again, sums = phasor.attention(*tensors, alibi, impl=impl, return_lse=True, **rules)
        assert_close(again, expected, rtol=1e-10, atol=1e-10)
        assert_close(sums, lse, rtol=1e-10, atol=1e-10)


# PyTorch's own, when dynamo traces a batched mask.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:flex_attention called without:UserWarning")
@settings(max_examples=3, deadline=None)
@given(calls())
def test_flex_attention_follows_them(call: tuple[list[Tensor], dict[str, Any]]) -> None:
    tensors, rules = call
    torch.compiler.reset()
    narrow = [x.float() for x in tensors]
    alibi = phasor.ALiBi(HEADS)
    attend = torch.compile(
        lambda *x: phasor.attention(*x, alibi, impl="flex", **rules), backend="eager"
    )
    expected, _ = dense(*tensors, **rules)
    assert_close(attend(*narrow).double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("order", ["contiguous", "zigzag", "round_robin"])
@pytest.mark.parametrize("shared", [False, True])
def test_shards_put_together_are_the_whole(order: Any, shared: bool) -> None:
    """As ring attention does it: each rank's queries with each rank's keys, joined by their sums.

    With `shared` the positions are those of an image amid text, which do not say the order.
    """
    seq, ranks = 16, 2
    query, key, value = torch.randn(3, 1, HEADS, seq, DIM, dtype=torch.float64)
    positions = torch.arange(seq)
    if shared:
        positions = torch.cat((torch.arange(4), torch.full((8,), 4), torch.arange(5, 9)))
    rotary = phasor.Rotary(DIM)
    whole = phasor.attention(query, key, value, rotary, positions=positions, window=11)
    parts = []
    for rank in range(ranks):
        at = {"rank": rank, "world_size": ranks, "order": order}
        here, index = phasor.positions.shard(positions, return_index=True, **at)
        mine = phasor.positions.shard(query, dim=2, **at)
        out = torch.zeros_like(mine)
        total = torch.full(mine.shape[:3], -torch.inf, dtype=torch.float64)
        for other in range(ranks):
            at = {"rank": other, "world_size": ranks, "order": order}
            there, key_index = phasor.positions.shard(positions, return_index=True, **at)
            part, lse = phasor.attention(
                mine, *(phasor.positions.shard(x, dim=2, **at) for x in (key, value)), rotary,
                positions=here, key_positions=there, query_index=index, key_index=key_index,
                window=11, return_lse=True,
            )  # fmt: skip
            new = torch.logaddexp(total, lse)
            weights = ((total - new).exp(), (lse - new).exp())
            out = weights[0][..., None] * out + weights[1][..., None] * part
            total = new
        parts.append(out)
    joined = torch.cat(parts, 2)[:, :, phasor.positions.unshard_order(seq, ranks, order)]
    assert_close(joined, whole, rtol=1e-12, atol=1e-12)


def test_gradients_of_both_results() -> None:
    inputs = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64).unbind()
    for each in inputs:
        each.requires_grad_()
    index = torch.tensor([3, 0, 4, 1, 2])

    def attend(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        return phasor.attention(query, key, value, query_index=index, return_lse=True)

    assert torch.autograd.gradcheck(attend, inputs)


def test_one_stands_in_for_the_other() -> None:
    query, key, value = torch.randn(3, 1, HEADS, 6, DIM)
    index = torch.tensor([4, 1, 0, 5, 2, 3])
    alibi = phasor.ALiBi(HEADS)
    whole = phasor.attention(query, key, value, alibi, query_index=index, key_index=index)
    last = phasor.attention(query[:, :, 4:], key, value, alibi, key_index=index)
    assert_close(last, whole[:, :, 4:])
    in_order = index.argsort()
    again = phasor.attention(*(x[:, :, in_order] for x in (query, key, value)), alibi)
    assert_close(whole[:, :, in_order], again)


def test_the_sum_is_float32_for_less() -> None:
    query, key, value = torch.randn(3, 1, HEADS, 6, DIM, dtype=torch.bfloat16)
    out, lse = phasor.attention(query, key, value, return_lse=True)
    assert (out.dtype, lse.dtype, lse.shape) == (torch.bfloat16, torch.float32, (1, HEADS, 6))


def test_in_one_graph() -> None:
    query, key, value = torch.randn(3, 1, HEADS, 6, DIM)
    index, alibi = torch.tensor([4, 1, 0, 5, 2, 3]), phasor.ALiBi(HEADS)

    def attend(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        return phasor.attention(
            *tensors, alibi, query_index=index, key_index=index, return_lse=True
        )

    compiled = torch.compile(attend, fullgraph=True, backend="aot_eager")
    for got, want in zip(compiled(query, key, value), attend(query, key, value), strict=True):
        assert_close(got, want)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query_index": torch.arange(5)}, ArgumentError, r"query_index must be \[6\] or \[1, 6\]"),
        ({"key_index": torch.zeros(6)}, ArgumentTypeError, "key_index must be a tensor of integ"),
        (
            {"query_index": torch.arange(6), "encoding": phasor.CoPE(DIM)},
            ArgumentError,
            "CoPE counts the tokens between a query and a key in the order of the tensors",
        ),
        ({"encoding": "rotary"}, ArgumentTypeError, "or None, got 'rotary'; make one, such as"),
        ({"encoding": phasor.ALiBi}, ArgumentTypeError, r"the class ALiBi; make one: ALiBi\("),
        (
            {"encoding": phasor.PerLayer([phasor.NoPE()])},
            ArgumentTypeError,
            r"got the encodings of all layers; pass that of the layer: encodings\[layer\]",
        ),
    ],
)
def test_refuses(change: dict[str, Any], error: type[Exception], message: str) -> None:
    query, key, value = torch.randn(3, 1, HEADS, 6, DIM)
    with pytest.raises(error, match=message):
        phasor.attention(query, key, value, **change)

"""Attention: alignment of queries with keys, masks, grouped heads, and what it refuses."""

import warnings

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError, SiteError

BATCH, HEADS, SEQ, DIM = 2, 4, 7, 8
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def tensors(
    *, seq: int = SEQ, key_seq: int = SEQ, kv_heads: int = HEADS
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.randn(BATCH, HEADS, seq, DIM, dtype=torch.float64),
        torch.randn(BATCH, kv_heads, key_seq, DIM, dtype=torch.float64),
        torch.randn(BATCH, kv_heads, key_seq, DIM, dtype=torch.float64),
    )


def by_hand(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, allowed: torch.Tensor
) -> torch.Tensor:
    """Softmax attention, one query at a time, in plain loops."""
    out = torch.zeros_like(query)
    group = query.shape[1] // key.shape[1]
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            for i in range(query.shape[2]):
                keys = [j for j in range(key.shape[2]) if allowed[i, j]]
                if not keys:
                    continue
                scores = key[b, h // group, keys] @ query[b, h, i] / query.shape[-1] ** 0.5
                weights = (scores - scores.max()).exp()
                out[b, h, i] = (weights / weights.sum()) @ value[b, h // group, keys]
    return out


@pytest.mark.parametrize("impl", ["sdpa", "reference"])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize(("seq", "key_seq"), [(7, 7), (3, 7), (1, 7)])
@pytest.mark.parametrize("causal", [True, False])
def test_equals_loops(impl: str, kv_heads: int, seq: int, key_seq: int, causal: bool) -> None:
    query, key, value = tensors(seq=seq, key_seq=key_seq, kv_heads=kv_heads)
    allowed = torch.tensor(
        [[not causal or j <= i + key_seq - seq for j in range(key_seq)] for i in range(seq)]
    )
    out = phasor.attention(query, key, value, causal=causal, impl=impl)
    assert_close(out, by_hand(query, key, value, allowed), **EXACT)


@pytest.mark.parametrize("encoding", [None, phasor.ALiBi(HEADS), phasor.Rotary(DIM)])
@pytest.mark.parametrize("impl", ["sdpa", "reference"])
def test_a_query_that_may_see_nothing_yields_zeros_and_finite_gradients(
    encoding: phasor.PositionEncoding | None, impl: str
) -> None:
    query, key, value = (x.requires_grad_() for x in tensors())
    mask = torch.ones(SEQ, SEQ, dtype=torch.bool)
    mask[2] = False
    out = phasor.attention(query, key, value, encoding, mask=mask, impl=impl)
    assert bool((out[:, :, 2] == 0).all())
    out.square().sum().backward()
    for x in (query, key, value):
        assert x.grad is not None
        assert bool(x.grad.isfinite().all())


def test_without_positions_queries_are_the_last_of_the_keys() -> None:
    query, key, value = tensors(seq=2)
    encoding = phasor.Rotary(DIM)
    explicit = phasor.attention(
        query,
        key,
        value,
        encoding,
        positions=torch.tensor([5, 6]),
        key_positions=torch.arange(SEQ),
    )
    assert_close(phasor.attention(query, key, value, encoding), explicit, **EXACT)


def test_prepared_stands_in_for_positions() -> None:
    query, key, value = tensors()
    encoding = phasor.ALiBi(HEADS)
    prepared = encoding.prepare(torch.arange(SEQ), dtype=torch.float64)
    out = phasor.attention(query, key, value, encoding, prepared=prepared)
    assert_close(out, phasor.attention(query, key, value, encoding), **EXACT)
    with pytest.raises(ArgumentError, match="prepared already holds the positions"):
        phasor.attention(
            query, key, value, encoding, prepared=prepared, positions=torch.arange(SEQ)
        )


def test_an_encoding_at_the_embedding_is_not_forgotten_in_silence() -> None:
    query, key, value = tensors()
    with pytest.raises(SiteError, match="Sinusoidal enters at the embedding"):
        phasor.attention(query, key, value, phasor.Sinusoidal(DIM * HEADS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": torch.zeros(2, 4, 8)}, r"query must be \[batch, num_heads, seq, head_dim\]"),
        ({"key": torch.zeros(2, 4, 6, 8).double()}, "key and value must agree"),
        (
            {"key": torch.zeros(2, 4, 7, 6).double(), "value": torch.zeros(2, 4, 7, 6).double()},
            "query and key must agree in batch and head_dim",
        ),
        (
            {"key": torch.zeros(2, 3, 7, 8).double(), "value": torch.zeros(2, 3, 7, 8).double()},
            "num_heads must be a multiple of num_kv_heads, got 4 and 3",
        ),
        (
            {"key": torch.zeros(2, 0, 7, 8).double(), "value": torch.zeros(2, 0, 7, 8).double()},
            "num_heads must be a multiple of num_kv_heads, got 4 and 0",
        ),
        ({"impl": "flash"}, r"impl must be one of \['auto', 'sdpa', 'flex', .*\], got 'flash'"),
        ({"mask": torch.ones(2, 7, dtype=torch.bool)}, r"mask\[:, None, None, :\]"),
        ({"positions": torch.arange(7), "query": torch.zeros(2, 4, 3, 8).double()}, "not for 7"),
        ({"query": torch.zeros(2, 4, 9, 8).double()}, "9 queries and only 7 keys"),
        ({"encoding": phasor.ALiBi(8)}, "built for 8 heads but the query has 4"),
        ({"encoding": phasor.Rotary(16)}, "built for head_dim 16"),
    ],
)
def test_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    query, key, value = tensors()
    arguments = {"query": query, "key": key, "value": value, **change}
    with pytest.raises(ArgumentError, match=message):
        phasor.attention(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": torch.zeros(2, 4, 7, 8)}, "query, key and value must share a dtype"),
        ({"mask": torch.ones(7, 7)}, r"mask must be boolean.*mask\.bool\(\)"),
        ({"query": torch.zeros(2, 4, 7, 8, dtype=torch.long)}, "query must be floating point"),
    ],
)
def test_refuses_dtypes_that_do_not_fit(change: dict[str, object], message: str) -> None:
    query, key, value = tensors()
    arguments = {"query": query, "key": key, "value": value, **change}
    with pytest.raises(ArgumentTypeError, match=message):
        phasor.attention(**arguments)


class Rescaled(phasor.PositionEncoding):
    """A change of the score that is no bias: at score 0 it does nothing."""

    sites = frozenset({"score"})
    paper = "none"

    def prepare(self, positions: torch.Tensor, **_: object) -> None:
        return None

    def score_mod(self, prepared: object) -> phasor.encoding.ScoreMod:
        return lambda score, batch, head, i, j: 3 * torch.tanh(score / 3) * (1 + head)


@pytest.mark.parametrize("encoding", [Rescaled(), phasor.Compose(phasor.ALiBi(HEADS), Rescaled())])
def test_a_score_mod_that_is_no_bias_is_not_lost(encoding: phasor.PositionEncoding) -> None:
    query, key, value = tensors()
    plain = phasor.attention(query, key, value, phasor.NoPE())
    auto = phasor.attention(query, key, value, encoding)
    assert (auto - plain).abs().max() > 0.1
    reference = phasor.attention(query, key, value, encoding, impl="reference")
    assert_close(auto, reference, **EXACT)
    with pytest.raises(NotImplementedError, match=r"fused attention cannot; use impl='auto'"):
        phasor.attention(query, key, value, encoding, impl="sdpa")


def test_compiles_for_any_number_of_heads() -> None:
    rotary = phasor.Rotary(DIM)
    compiled = torch.compile(
        lambda query, key, value: phasor.attention(query, key, value, rotary),
        fullgraph=True,
        backend="aot_eager",
        dynamic=True,
    )
    for kv_heads in (4, 2):
        arguments = tensors(kv_heads=kv_heads)
        assert_close(compiled(*arguments), phasor.attention(*arguments, rotary))


def test_flex_attention_accepts_the_score_mod() -> None:
    """The hook's signature is FlexAttention's: its plain form must give the same."""
    from torch.nn.attention.flex_attention import flex_attention

    query, key, value = (x.float() for x in tensors())
    alibi = phasor.ALiBi(HEADS)
    score_mod = alibi.score_mod(alibi.prepare(torch.arange(SEQ)))
    with warnings.catch_warnings():  # that it was not compiled, once in a process
        warnings.simplefilter("ignore")
        out = flex_attention(query, key, value, score_mod=score_mod)
    expected = phasor.attention(query, key, value, alibi, causal=False)
    assert_close(out, expected, rtol=1e-5, atol=1e-6)

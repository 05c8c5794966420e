"""Conversion between layouts: which channels go where, and what is refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rotary.conversion_cases import (
    BATCH,
    CASES,
    HARD,
    IN_FEATURES,
    SEQ,
    Case,
    close,
    equal,
    normal,
    random_positions,
    rotate,
)
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.rotary.conversion import (
    channel_order,
    convert_activations,
    convert_norm,
    convert_projection,
    sign_of_channels,
)
from phasor.rotary.conversion_fused import ARRANGEMENTS, Arrangement, convert_fused
from phasor.rotary.layout import ROTARY_SLICES


@given(num_heads=st.integers(1, 4), pairs=st.integers(1, 40), bias=st.booleans())
@settings(deadline=None)
def test_llama_conversion_of_transformers(num_heads: int, pairs: int, bias: bool) -> None:
    """Its `permute` is Meta's interleaved to half; the other one is half to interleaved."""
    dim1, dim2 = num_heads * 2 * pairs, 1 if bias else 3
    w = torch.arange(dim1 * dim2).view(dim1, dim2)
    to_half = w.view(num_heads, dim1 // num_heads // 2, 2, dim2).transpose(1, 2)
    to_interleaved = w.view(num_heads, 2, dim1 // num_heads // 2, dim2).transpose(1, 2)
    given_weight = w.flatten() if bias else w
    for source, target, want in (
        ("interleaved", "half", to_half),
        ("half", "interleaved", to_interleaved),
    ):
        got = convert_projection(given_weight, num_heads=num_heads, source=source, target=target)
        assert got.shape == given_weight.shape
        equal(got, want.reshape(given_weight.shape))


@given(case=CASES)
@settings(deadline=None)
def test_order_pairs_the_channels_that_the_layouts_say(case: Case) -> None:
    """From the definitions: (i, i + d/2) and (2i, 2i + 1) within the slice, the rest in place."""
    start = 0 if case.rotary_slice == "leading" else case.still
    pairs = range(case.pairs)
    members = {
        "half": [(start + i, start + i + case.pairs) for i in pairs],
        "interleaved": [(start + 2 * i, start + 2 * i + 1) for i in pairs],
    }
    want = list(range(case.head_dim))
    for there, here in zip(members[case.target], members[case.source], strict=True):
        want[there[0]], want[there[1]] = here
    order = channel_order(case.head_dim, **case.there)
    assert order.tolist() == want
    assert order.dtype == torch.int64
    assert order.device.type == "cpu"
    assert order[channel_order(case.head_dim, **case.back)].tolist() == list(range(case.head_dim))

    sign = sign_of_channels(case.head_dim, layout=case.source, **case.slice)
    second = {channel for _, channel in members[case.source]}
    assert sign.tolist() == [-1 if channel in second else 1 for channel in range(case.head_dim)]
    assert sign.device.type == "cpu"


def test_the_whole_head_needs_no_rotary_dim_and_no_slice() -> None:
    orders = {
        tuple(
            channel_order(
                8,
                source="half",
                target="interleaved",
                rotary_dim=rotary_dim,
                rotary_slice=rotary_slice,
            ).tolist()
        )
        for rotary_dim in (None, 8)
        for rotary_slice in ROTARY_SLICES
    }
    assert orders == {(0, 4, 1, 5, 2, 6, 3, 7)}


# There and back


def conversions(case: Case) -> list[tuple[tuple[int, ...], Callable[..., Tensor]]]:
    """A shape for each kind of tensor, and how to convert it given layouts and `flip`."""
    heads, kv, head_dim = case.num_heads, case.num_kv_heads, case.head_dim

    def projection(x: Tensor, **options: Any) -> Tensor:
        return convert_projection(x, num_heads=heads, **options)

    def last_but_one(x: Tensor, **options: Any) -> Tensor:
        return convert_activations(x, dim=-2, **options)

    def fused(arrangement: Arrangement) -> Callable[..., Tensor]:
        return lambda x, **options: convert_fused(
            x, num_heads=heads, num_kv_heads=kv, arrangement=arrangement, **options
        )

    rows = (heads + 2 * kv) * head_dim
    return [
        ((BATCH, heads, SEQ, head_dim), convert_activations),
        ((BATCH, head_dim, SEQ), last_but_one),
        ((0, heads, SEQ, head_dim), convert_activations),
        ((heads * head_dim, IN_FEATURES), projection),
        ((heads * head_dim, 0), projection),
        ((heads * head_dim,), projection),
        ((head_dim,), convert_norm),
        ((heads, head_dim), convert_norm),
        *(
            (shape, fused(arrangement))
            for shape in ((rows, IN_FEATURES), (rows, 0), (rows,))
            for arrangement in ARRANGEMENTS
        ),
    ]


@given(case=CASES, dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]))
@settings(deadline=None)
def test_there_and_back_is_where_we_were(case: Case, dtype: torch.dtype) -> None:
    torch.manual_seed(case.seed)
    for shape, convert in conversions(case):
        x = torch.randn(shape).to(dtype)
        before = x.clone()
        there = convert(x, **case.there, flip=case.flip)
        equal(x, before)
        assert there.shape == x.shape
        assert there.dtype == dtype
        assert there.is_contiguous()
        assert there.numel() == 0 or there.data_ptr() != x.data_ptr()
        equal(convert(there, **case.back, flip=case.flip), x)


@given(case=CASES)
@settings(deadline=None, max_examples=30)
def test_views_that_are_not_contiguous(case: Case) -> None:
    torch.manual_seed(case.seed)
    for shape, convert in conversions(case):
        x = torch.randn(shape)
        strided = torch.stack((x, torch.full_like(x, torch.nan)), dim=-1)[..., 0]
        transposed = x.transpose(0, -1).clone().transpose(0, -1)
        want = convert(x, **case.there, flip=case.flip)
        for view in (strided, transposed):
            got = convert(view, **case.there, flip=case.flip)
            equal(got, want)
            assert got.is_contiguous()


def test_gradients_return_to_their_channels() -> None:
    for shape, convert in conversions(HARD):
        x = torch.randn(shape, requires_grad=True)
        weights = torch.randn(shape)
        (convert(x, **HARD.there, flip=True) * weights).sum().backward()
        assert x.grad is not None
        equal(x.grad, convert(weights, **HARD.back, flip=True))


def test_index_tensors_survive_a_default_device_and_meta_weights_stay_meta() -> None:
    for shape, convert in conversions(HARD):
        x = torch.randn(shape)
        want = convert(x, **HARD.there, flip=True)
        with torch.device("meta"):
            equal(convert(x, **HARD.there, flip=True), want)
        meta = convert(x.to("meta"), **HARD.there, flip=True)
        assert (meta.device.type, meta.shape, meta.dtype) == ("meta", x.shape, x.dtype)


def test_a_cache_of_keys_can_be_converted_in_a_compiled_model() -> None:
    def convert(x: Tensor) -> Tensor:
        return convert_activations(x, **HARD.there, flip=True)

    x = torch.randn(BATCH, HARD.num_heads, SEQ, HARD.head_dim)
    equal(torch.compile(convert, fullgraph=True, backend="eager")(x), convert(x))


# The proof


@given(case=CASES)
@settings(deadline=None)
def test_activations_rotated_then_converted_are_converted_then_rotated(case: Case) -> None:
    """Not the products alone: a cache of rotated keys may be converted as it is."""
    torch.manual_seed(case.seed)
    positions = random_positions()
    x = normal(BATCH, case.num_heads, SEQ, case.head_dim)
    rotated = rotate(case, x, positions, case.source, backwards=case.flip)
    converted = convert_activations(x, **case.there, flip=case.flip)
    close(
        rotate(case, converted, positions, case.target),
        convert_activations(rotated, **case.there, flip=case.flip),
    )


HALF_TO_INTERLEAVED: dict[str, Any] = {"source": "half", "target": "interleaved"}
WEIGHT = torch.zeros(48, 3)
FUSED: dict[str, Any] = {"num_heads": 4, "num_kv_heads": 2, "arrangement": "stacked"}


@pytest.mark.parametrize(
    ("call", "options", "message"),
    [
        (channel_order, {"head_dim": 8, "source": "neox"}, "layout must be one of ['half', 'inter"),
        (channel_order, {"head_dim": 8, "target": "neox"}, "got 'neox'; 'half' pairs channel i"),
        (
            channel_order,
            {"head_dim": 8, "rotary_slice": "last"},
            "rotary_slice must be one of ['leading', 'trailing'], got 'last'",
        ),
        (
            channel_order,
            {"head_dim": 7},
            "head_dim must be even and at least 2 where the whole head turns, got 7; pass "
            "rotary_dim=6 to leave one channel out",
        ),
        (channel_order, {"head_dim": 0}, "at least 2 where the whole head turns, got 0"),
        (
            channel_order,
            {"head_dim": 8, "rotary_dim": 5},
            "rotary_dim must be even and from 2 to head_dim 8, got 5; pass the number of channels",
        ),
        (channel_order, {"head_dim": 8, "rotary_dim": 10}, "from 2 to head_dim 8, got 10"),
        (channel_order, {"head_dim": 8, "rotary_dim": 0}, "from 2 to head_dim 8, got 0"),
        (channel_order, {"head_dim": 8, "rotary_dim": -2}, "from 2 to head_dim 8, got -2"),
        (
            convert_activations,
            {"x": WEIGHT, "dim": 2},
            "x must have the channels of a head along dim=2, got shape [48, 3]; pass the dimension",
        ),
        (convert_activations, {"x": torch.tensor(1.0)}, "along dim=-1, got shape []"),
        (
            convert_norm,
            {"gain": torch.zeros(2, 3, 4)},
            "gain must be [head_dim] or [num_heads, head_dim], got shape [2, 3, 4]",
        ),
        # 48 rows are 6 key-value heads of 8; 5 and 32 heads do not divide them.
        (
            convert_projection,
            {"weight": WEIGHT, "num_heads": 32},
            "weight must have rows that num_heads=32 heads share evenly, got shape [48, 3]; pass "
            "the heads of this very projection, which are num_kv_heads for the key",
        ),
        (convert_projection, {"weight": WEIGHT[:, 0], "num_heads": 5}, "num_heads=5 heads share"),
        (convert_projection, {"weight": WEIGHT, "num_heads": 0}, "num_heads=0 heads share"),
        (convert_projection, {"weight": torch.tensor(1.0), "num_heads": 1}, "got shape []"),
        # 12 heads do divide them, into heads of 4: wrong, and only `head_dim` can tell.
        (
            convert_projection,
            {"weight": WEIGHT, "num_heads": 12, "head_dim": 8},
            "weight must have head_dim=8 rows for each of num_heads=12 heads, got shape [48, 3] "
            "and so 4; pass the heads of this very projection",
        ),
        (
            convert_projection,
            {"weight": WEIGHT, "num_heads": 12, "rotary_dim": 8},
            "from 2 to head_dim 4, got 8",
        ),
        (
            convert_fused,
            {**FUSED, "weight": WEIGHT, "arrangement": "qkv"},
            "arrangement must be one of ['stacked', 'grouped'], got 'qkv'",
        ),
        (
            convert_fused,
            {**FUSED, "weight": WEIGHT, "num_kv_heads": 3},
            "num_kv_heads must divide num_heads, got num_heads=4 and num_kv_heads=3",
        ),
        (convert_fused, {**FUSED, "weight": WEIGHT, "num_kv_heads": 0}, "must divide num_heads"),
        (convert_fused, {**FUSED, "weight": WEIGHT, "num_heads": 0}, "must divide num_heads"),
        (
            convert_fused,
            {**FUSED, "weight": WEIGHT[1:]},
            "rows that num_heads=4 + 2 * num_kv_heads=2 heads share evenly, got shape [47, 3]",
        ),
        (
            convert_fused,
            {**FUSED, "weight": WEIGHT, "head_dim": 8},
            "head_dim=8 rows for each of num_heads=4 + 2 * num_kv_heads=2 heads",
        ),
    ],
)
def test_refuses_what_cannot_be_right(
    call: Callable[..., Tensor], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        call(**{**HALF_TO_INTERLEAVED, **options})


def test_sign_refuses_as_the_order_does() -> None:
    with pytest.raises(ArgumentError, match="layout must be one of"):
        sign_of_channels(8, layout="neox")
    with pytest.raises(ArgumentError, match="rotary_dim must be even"):
        sign_of_channels(8, layout="half", rotary_dim=3)

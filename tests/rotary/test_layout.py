"""Conversion between layouts: the proof is that no product of a query and a key changes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import layer_norm, linear, rms_norm

import phasor
from phasor.errors import ArgumentError
from phasor.kernels.reference import apply_rotation
from phasor.rotary.layout import (
    ARRANGEMENTS,
    LAYOUTS,
    ROTARY_SLICES,
    Arrangement,
    Layout,
    RotarySlice,
    channel_order,
    convert_activations,
    convert_fused,
    convert_norm,
    convert_projection,
    sign_of_channels,
)

BATCH, SEQ, IN_FEATURES, RANK = 2, 5, 6, 3
# Values stay below 2**10 and sum a few dozen terms, each rounded by 2**-53.
ROUNDING = 2.0**-37


@dataclass(frozen=True)
class Case:
    """The shapes of a model, and the conversion asked for."""

    pairs: int
    still: int
    rotary_slice: RotarySlice
    num_kv_heads: int
    group: int
    source: Layout
    target: Layout
    flip: bool
    seed: int

    @property
    def rotary_dim(self) -> int:
        return 2 * self.pairs

    @property
    def head_dim(self) -> int:
        return self.rotary_dim + self.still

    @property
    def num_heads(self) -> int:
        return self.num_kv_heads * self.group

    @property
    def slice(self) -> dict[str, Any]:
        # Where all channels turn, `None` must mean the same as their number.
        rotary_dim = None if self.still == 0 and self.seed % 2 else self.rotary_dim
        return {"rotary_dim": rotary_dim, "rotary_slice": self.rotary_slice}

    @property
    def there(self) -> dict[str, Any]:
        return {"source": self.source, "target": self.target, **self.slice}

    @property
    def back(self) -> dict[str, Any]:
        return {"source": self.target, "target": self.source, **self.slice}


CASES = st.builds(
    Case,
    pairs=st.integers(1, 5),
    still=st.integers(0, 3),
    rotary_slice=st.sampled_from(ROTARY_SLICES),
    num_kv_heads=st.integers(1, 3),
    group=st.integers(1, 3),
    source=st.sampled_from(LAYOUTS),
    target=st.sampled_from(LAYOUTS),
    flip=st.booleans(),
    seed=st.integers(0, 999),
)
# One in which forgetting anything shows: partial, trailing, grouped, flipped.
HARD = Case(3, 3, "trailing", 2, 2, "interleaved", "half", flip=True, seed=0)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def in_heads(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def rotate(
    case: Case, x: Tensor, positions: Tensor, layout: Layout, *, backwards: bool = False
) -> Tensor:
    cos, sin = phasor.cos_sin(positions, phasor.geometric(case.rotary_dim), dtype=torch.float64)
    sin = -sin if backwards else sin
    if case.rotary_slice == "leading":
        return apply_rotation(x, cos, sin, layout=layout)
    still, turning = x.split((case.still, case.rotary_dim), dim=-1)
    return torch.cat((still, apply_rotation(turning, cos, sin, layout=layout)), dim=-1)


def products(query: Tensor, key: Tensor) -> Tensor:
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    return query @ key.transpose(-1, -2)


def scores(case: Case, query: Tensor, key: Tensor, positions: Tensor, *, converted: bool) -> Tensor:
    """What the source's own model computes, or the target's on converted numbers."""
    layout = case.target if converted else case.source
    backwards = case.flip and not converted
    return products(
        rotate(case, query, positions, layout, backwards=backwards),
        rotate(case, key, positions, layout, backwards=backwards),
    )


def random_positions() -> Tensor:
    return torch.randint(0, 10_000, (BATCH, SEQ))


def equal(got: Tensor, want: Tensor) -> None:
    torch.testing.assert_close(got, want, rtol=0, atol=0)


def close(got: Tensor, want: Tensor) -> None:
    torch.testing.assert_close(got, want, rtol=0, atol=ROUNDING)


# The permutation itself


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


@given(case=CASES, bias=st.booleans(), norm=st.sampled_from([None, "shared", "per head"]))
@settings(deadline=None)
def test_projections_biases_norms_and_lora_keep_every_score(
    case: Case, bias: bool, norm: str | None
) -> None:
    torch.manual_seed(case.seed)
    hidden, positions = normal(BATCH, SEQ, IN_FEATURES), random_positions()
    before, after = [], []
    for num_heads in (case.num_heads, case.num_kv_heads):
        rows = num_heads * case.head_dim
        weight, lora_b, lora_a = (
            normal(rows, IN_FEATURES),
            normal(rows, RANK),
            normal(RANK, IN_FEATURES),
        )
        offset = normal(rows) if bias else torch.zeros(rows, dtype=torch.float64)
        gain = normal(*([num_heads] if norm == "per head" else []), case.head_dim)

        def project(
            weight: Tensor,
            offset: Tensor,
            lora_b: Tensor,
            gain: Tensor,
            num_heads: int = num_heads,
            lora_a: Tensor = lora_a,
        ) -> Tensor:
            x = in_heads(linear(hidden, weight + lora_b @ lora_a, offset), num_heads)
            if norm is None:
                return x
            gain = gain[:, None] if gain.ndim == 2 else gain
            return rms_norm(x, (case.head_dim,), eps=1e-6) * gain

        def convert(rows: Tensor, num_heads: int = num_heads) -> Tensor:
            return convert_projection(
                rows, num_heads=num_heads, head_dim=case.head_dim, flip=case.flip, **case.there
            )

        before.append(project(weight, offset, lora_b, gain))
        after.append(
            project(
                convert(weight), convert(offset), convert(lora_b), convert_norm(gain, **case.there)
            )
        )
    close(
        scores(case, *after, positions, converted=True),
        scores(case, *before, positions, converted=False),
    )


@pytest.mark.parametrize("forgotten", ["order", "slice", "flip", "gain", "key"])
def test_the_proof_notices_what_is_forgotten(forgotten: str) -> None:
    """A proof that cannot fail proves nothing."""
    positions = random_positions()
    query = normal(BATCH, HARD.num_heads, SEQ, HARD.head_dim)
    key = normal(BATCH, HARD.num_kv_heads, SEQ, HARD.head_dim)
    gain = normal(HARD.head_dim)
    want = scores(HARD, query * gain, key * gain, positions, converted=False)

    def converted(wrong: str) -> Tensor:
        options = {**HARD.there, "flip": wrong != "flip"}
        options |= {"order": {"target": HARD.source}, "slice": {"rotary_slice": "leading"}}.get(
            wrong, {}
        )
        new_gain = gain if wrong == "gain" else convert_norm(gain, **HARD.there)
        new_query = convert_activations(query, **options) * new_gain
        new_key = key * gain if wrong == "key" else convert_activations(key, **options) * new_gain
        return scores(HARD, new_query, new_key, positions, converted=True)

    close(converted("nothing"), want)
    assert (converted(forgotten) - want).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_a_flip_goes_to_the_projection_or_to_the_layer_norm(kind: str) -> None:
    positions = random_positions()
    query = normal(BATCH, HARD.num_heads, SEQ, HARD.head_dim)
    key = normal(BATCH, HARD.num_kv_heads, SEQ, HARD.head_dim)
    gain, bias = normal(HARD.head_dim), normal(HARD.head_dim)
    norms: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
        "rms": lambda x, gain, bias: rms_norm(x, (HARD.head_dim,), gain),
        "layer": lambda x, gain, bias: layer_norm(x, (HARD.head_dim,), gain, bias),
    }
    norm = norms[kind]
    before = [norm(x, gain, bias) for x in (query, key)]
    want = scores(HARD, *before, positions, converted=False)

    def converted(*, at_projection: bool, at_norm: bool) -> Tensor:
        new_gain, new_bias = (convert_norm(x, **HARD.there, flip=at_norm) for x in (gain, bias))
        after = [
            norm(convert_activations(x, **HARD.there, flip=at_projection), new_gain, new_bias)
            for x in (query, key)
        ]
        return scores(HARD, *after, positions, converted=True)

    close(converted(at_projection=kind == "rms", at_norm=kind == "layer"), want)
    assert (converted(at_projection=True, at_norm=True) - want).abs().max() > 0.1


# How the models in transformers cut their fused rows.


def split_falcon(case: Case, x: Tensor) -> tuple[Tensor, ...]:
    from transformers.models.falcon.modeling_falcon import FalconAttention

    attention = SimpleNamespace(
        new_decoder_architecture=True,
        num_heads=case.num_heads,
        num_kv_heads=case.num_kv_heads,
        head_dim=case.head_dim,
    )
    query, key, value = FalconAttention._split_heads(attention, x)
    # It repeats keys and values for each query head of their group.
    first = slice(None, None, case.group)
    parts = query, key[:, :, first], value[:, :, first]
    return tuple(part.transpose(1, 2) for part in parts)


def split_neox(case: Case, x: Tensor) -> tuple[Tensor, ...]:
    return x.view(*x.shape[:-1], -1, 3 * case.head_dim).transpose(1, 2).chunk(3, dim=-1)


def split_phi3(case: Case, x: Tensor) -> tuple[Tensor, ...]:
    query_pos = case.num_heads * case.head_dim
    kv = case.num_kv_heads * case.head_dim
    parts = x[..., :query_pos], x[..., query_pos : query_pos + kv], x[..., query_pos + kv :]
    return tuple(part.unflatten(-1, (-1, case.head_dim)).transpose(1, 2) for part in parts)


@given(case=CASES, bias=st.booleans())
@settings(deadline=None)
def test_fused_rows_keep_scores_values_and_output(case: Case, bias: bool) -> None:
    torch.manual_seed(case.seed)
    hidden, positions = normal(BATCH, SEQ, IN_FEATURES), random_positions()
    rows = (case.num_heads + 2 * case.num_kv_heads) * case.head_dim
    tensors = (
        normal(rows, IN_FEATURES),
        normal(rows) if bias else torch.zeros(rows, dtype=torch.float64),
        normal(rows, RANK),
    )
    lora_a = normal(RANK, IN_FEATURES)

    splits: list[tuple[Arrangement, Callable[[Case, Tensor], tuple[Tensor, ...]]]] = [
        ("stacked", split_phi3),
        ("grouped", split_falcon),
    ]
    if case.group == 1:
        splits.append(("grouped", split_neox))

    def project(weight: Tensor, offset: Tensor, lora_b: Tensor) -> Tensor:
        return linear(hidden, weight + lora_b @ lora_a, offset)

    for arrangement, split in splits:
        converted = (
            convert_fused(
                x,
                num_heads=case.num_heads,
                num_kv_heads=case.num_kv_heads,
                arrangement=arrangement,
                head_dim=case.head_dim,
                flip=case.flip,
                **case.there,
            )
            for x in tensors
        )
        *before, value = split(case, project(*tensors))
        *after, new_value = split(case, project(*converted))
        close(new_value, value)
        want = scores(case, *before, positions, converted=False)
        got = scores(case, *after, positions, converted=True)
        close(got, want)

        def output(scores: Tensor, value: Tensor) -> Tensor:
            weights = (scores / case.head_dim**0.5).softmax(dim=-1)
            return weights @ value.repeat_interleave(case.group, dim=1)

        close(output(got, new_value), output(want, value))


def test_multi_head_latent_attention_is_one_trailing_head() -> None:
    """DeepSeek's `kv_a_proj_with_mqa`: rows of the latent, then of the one key that turns."""
    latent, turning = 7, 4
    weight = normal(latent + turning, IN_FEATURES)
    got = convert_projection(
        weight,
        num_heads=1,
        source="interleaved",
        target="half",
        rotary_dim=turning,
        rotary_slice="trailing",
    )
    equal(got, weight[[0, 1, 2, 3, 4, 5, 6, 7, 9, 8, 10]])


@pytest.mark.parametrize("target", LAYOUTS)
def test_nanochat_turns_the_other_way(target: Layout) -> None:
    from transformers.models.nanochat.modeling_nanochat import apply_rotary_pos_emb

    head_dim, num_heads, num_kv_heads = 8, 4, 2
    hidden, positions = normal(BATCH, SEQ, IN_FEATURES), random_positions()
    weights = [normal(heads * head_dim, IN_FEATURES) for heads in (num_heads, num_kv_heads)]
    cos, sin = phasor.cos_sin(positions, phasor.geometric(head_dim), dtype=torch.float64)

    def project(weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        query, key = (linear(hidden, weight) for weight in weights)
        return in_heads(query, num_heads), in_heads(key, num_kv_heads)

    want = products(
        *apply_rotary_pos_emb(
            *project(weights), torch.cat((cos, cos), dim=-1), torch.cat((sin, sin), dim=-1)
        )
    )

    def ours(*, flip: bool) -> Tensor:
        converted = [
            convert_projection(weight, num_heads=heads, source="half", target=target, flip=flip)
            for weight, heads in zip(weights, (num_heads, num_kv_heads), strict=True)
        ]
        return products(*(apply_rotation(x, cos, sin, layout=target) for x in project(converted)))

    close(ours(flip=True), want)
    assert (ours(flip=False) - want).abs().max() > 0.1


# Refusals

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

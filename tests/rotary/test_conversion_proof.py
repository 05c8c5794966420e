"""The proof of a conversion: no product of a query and a key changes."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rotary.conversion_cases import (
    BATCH,
    CASES,
    HARD,
    IN_FEATURES,
    RANK,
    SEQ,
    Case,
    close,
    equal,
    in_heads,
    normal,
    products,
    random_positions,
    scores,
)
from torch import Tensor
from torch.nn.functional import layer_norm, linear, rms_norm

import phasor
from phasor.kernels.reference import apply_rotation
from phasor.rotary.conversion import convert_activations, convert_norm, convert_projection
from phasor.rotary.conversion_fused import Arrangement, convert_fused
from phasor.rotary.layout import LAYOUTS, Layout


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

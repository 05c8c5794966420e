"""The rotation against complex numbers and against transformers."""

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError

HEAD_DIM = 16


def heads(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.randn(2, 4, 9, HEAD_DIM, dtype=dtype),
        torch.randn(2, 2, 9, HEAD_DIM, dtype=dtype),
    )


def by_complex_numbers(
    x: torch.Tensor, positions: torch.Tensor, base: float, rotary_dim: int, layout: str
) -> torch.Tensor:
    """Equation 34 of the paper: each pair is a complex number, turned by exp(i m w)."""
    turning, still = x[..., :rotary_dim], x[..., rotary_dim:]
    if layout == "interleaved":
        z = torch.complex(turning[..., 0::2], turning[..., 1::2])
    else:
        z = torch.complex(turning[..., : rotary_dim // 2], turning[..., rotary_dim // 2 :])
    exponent = -torch.arange(0, rotary_dim, 2, dtype=torch.float64) / rotary_dim
    angle = positions.double()[:, None] * base**exponent
    z = z * torch.polar(torch.ones_like(angle), angle)
    if layout == "interleaved":
        out = torch.stack((z.real, z.imag), -1).flatten(-2)
    else:
        out = torch.cat((z.real, z.imag), -1)
    return torch.cat((out, still), -1)


@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("rotary_dim", [None, 2, 6, 16])
@pytest.mark.parametrize("base", [100.0, 10_000.0, 1e6])
def test_equals_complex_multiplication(layout: str, rotary_dim: int | None, base: float) -> None:
    rotary = phasor.Rotary(HEAD_DIM, base=base, rotary_dim=rotary_dim, layout=layout)
    positions = torch.tensor([0, 1, 2, 3, 50, 51, 1000, 4095, 131_071])
    prepared = rotary.prepare(positions, dtype=torch.float64)
    query, key = heads()
    for x, turned in zip((query, key), rotary.rotate(query, key, prepared), strict=True):
        expected = by_complex_numbers(x, positions, base, rotary_dim or HEAD_DIM, layout)
        assert_close(turned, expected, rtol=1e-10, atol=1e-10)


def test_half_equals_llama_in_transformers() -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = LlamaConfig(
        hidden_size=4 * HEAD_DIM,
        num_attention_heads=4,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
    )
    query, key = heads(torch.float32)
    positions = torch.arange(9)
    cos, sin = LlamaRotaryEmbedding(config)(query, positions[None])
    expected = apply_rotary_pos_emb(query, key, cos, sin)
    rotary = phasor.Rotary(HEAD_DIM, precision="float32")
    found = rotary.rotate(query, key, rotary.prepare(positions))
    for got, want in zip(found, expected, strict=True):
        assert_close(got, want, rtol=1e-6, atol=1e-6)


def test_interleaved_equals_gptj_in_transformers() -> None:
    from transformers.models.gptj.modeling_gptj import (
        apply_rotary_pos_emb,
        create_sinusoidal_positions,
    )

    query, _ = heads(torch.float32)
    table = create_sinusoidal_positions(9, HEAD_DIM)[None]
    sin, cos = table.split(HEAD_DIM // 2, dim=-1)
    # GPT-J keeps heads after the sequence.
    expected = apply_rotary_pos_emb(query.transpose(1, 2), sin, cos).transpose(1, 2)
    rotary = phasor.Rotary(HEAD_DIM, layout="interleaved")
    found, _ = rotary.rotate(query, None, rotary.prepare(torch.arange(9)))
    assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", ["half", "interleaved"])
def test_scores_depend_on_distance_as_far_out_as_near(layout: str) -> None:
    rotary = phasor.Rotary(HEAD_DIM, layout=layout)
    query, key = heads()
    key = key.repeat_interleave(2, 1)
    scores = []
    for shift in (0, 10**7):
        prepared = rotary.prepare(torch.arange(9) + shift, dtype=torch.float64)
        q, k = rotary.rotate(query, key, prepared)
        assert k is not None
        scores.append(q @ k.transpose(-1, -2))
    assert_close(*scores, rtol=1e-8, atol=1e-8)


def test_rotations_compose_and_invert() -> None:
    query, _ = heads()
    frequencies = phasor.geometric(HEAD_DIM)
    first, second = torch.arange(9), torch.arange(9) * 7 - 20
    twice, _ = phasor.rotate(query, None, first, frequencies)
    twice, _ = phasor.rotate(twice, None, second, frequencies)
    once, _ = phasor.rotate(query, None, first + second, frequencies)
    assert_close(twice, once, rtol=1e-10, atol=1e-10)
    back, _ = phasor.rotate(once, None, first + second, frequencies, inverse=True)
    assert_close(back, query, rtol=1e-12, atol=1e-12)


def test_norms_are_kept() -> None:
    query, _ = heads()
    turned, _ = phasor.rotate(query, None, torch.arange(9) * 1000, phasor.geometric(HEAD_DIM))
    assert_close(turned.norm(dim=-1), query.norm(dim=-1), rtol=1e-14, atol=0)


def test_the_backward_is_the_inverse_rotation() -> None:
    query, _ = heads()
    query.requires_grad_()
    frequencies, positions = phasor.geometric(HEAD_DIM), torch.arange(9)
    turned, _ = phasor.rotate(query, None, positions, frequencies)
    upstream = torch.randn_like(turned)
    (gradient,) = torch.autograd.grad(turned, query, upstream)
    expected, _ = phasor.rotate(upstream, None, positions, frequencies, inverse=True)
    assert_close(gradient, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rotary_dim": 7}, "rotary_dim must be even and at least 2, got 7; pass rotary_dim=6"),
        ({"rotary_dim": 32}, "rotary_dim must be at most head_dim 16, got 32"),
        ({"layout": "neox"}, r"layout must be one of \['half', 'interleaved'\], got 'neox'"),
        ({"precision": "bf16"}, "precision must be one of"),
        (
            {"frequencies": phasor.geometric(8), "base": 5.0},
            "frequencies already fix base and rotary_dim",
        ),
    ],
)
def test_refuses_with_advice(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        phasor.Rotary(HEAD_DIM, **arguments)


def test_refuses_float64_activations_with_float32_angles() -> None:
    rotary = phasor.Rotary(HEAD_DIM)
    with pytest.raises(ArgumentTypeError, match=r"pass dtype=torch\.float64 to prepare"):
        rotary.rotate(*heads(), rotary.prepare(torch.arange(9)))


def test_refuses_integers_and_batches_that_differ() -> None:
    positions, frequencies = torch.arange(9), phasor.geometric(HEAD_DIM)
    query, key = heads()
    with pytest.raises(ArgumentTypeError, match=r"query must be floating point, got torch\.int64"):
        phasor.rotate(query.long(), None, positions, frequencies)
    with pytest.raises(ArgumentError, match="query and key must agree in batch"):
        phasor.rotate(query, key[:1], positions, frequencies)


def test_refuses_a_batch_that_does_not_fit() -> None:
    rotary = phasor.Rotary(HEAD_DIM)
    positions = torch.zeros(3, 9, dtype=torch.long)
    with pytest.raises(ArgumentError, match="batch of 3 but query has 2"):
        rotary.rotate(*heads(torch.float32), rotary.prepare(positions))

"""Angles against mpmath: exact at every position, where the float32 product is not."""

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import phasor
from phasor.errors import ArgumentError
from phasor.rotary import frequencies as frequencies_module

FAR = 2**31 - 1


def exact(position: int, inv_freq: list[float]) -> tuple[list[float], list[float]]:
    """cos and sin to 50 digits of the product of an integer and the given float64 numbers."""
    with mpmath.workdps(50):
        angles = [mpmath.mpf(position) * mpmath.mpf(value) for value in inv_freq]
        return [float(mpmath.cos(a)) for a in angles], [float(mpmath.sin(a)) for a in angles]


def test_the_constant_is_one_over_two_pi() -> None:
    with mpmath.workprec(400):
        expected = int(mpmath.nint(mpmath.mpf(2) ** 192 / (2 * mpmath.pi)))
    assert expected == frequencies_module._INVERSE_TWO_PI


@given(
    position=st.integers(-FAR, FAR),
    base=st.sampled_from([100.0, 10_000.0, 500_000.0, 1e8]),
    rotary_dim=st.sampled_from([2, 4, 64, 128, 512]),
)
@settings(max_examples=60, deadline=None)
def test_exact_at_any_position(position: int, base: float, rotary_dim: int) -> None:
    frequencies = phasor.geometric(rotary_dim, base)
    cos, sin = phasor.cos_sin(torch.tensor([position]), frequencies, dtype=torch.float64)
    for got, want in zip(
        (cos[0], sin[0]), exact(position, frequencies.inv_freq[0].tolist()), strict=True
    ):
        torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-9)


@given(
    value=st.floats(-1e6, 1e6, allow_nan=False),
    position=st.integers(-FAR, FAR),
)
@settings(max_examples=60, deadline=None)
def test_any_frequency_not_only_geometric_ones(value: float, position: int) -> None:
    frequencies = phasor.Frequencies(torch.tensor([[value]], dtype=torch.float64))
    cos, sin = phasor.cos_sin(torch.tensor([position]), frequencies, dtype=torch.float64)
    (want_cos,), (want_sin,) = exact(position, [value])
    assert abs(cos.item() - want_cos) < 1e-9
    assert abs(sin.item() - want_sin) < 1e-9


def test_float32_precision_equals_transformers_and_errs_far_out() -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig(
        hidden_size=256,
        num_attention_heads=2,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
    )
    theirs = LlamaRotaryEmbedding(config)
    positions = torch.cat((torch.arange(2000), torch.tensor([131_071, 1_048_575])))
    their_cos, their_sin = theirs(torch.zeros(1), positions[None])
    frequencies = phasor.geometric(128, 500_000.0)
    cos, sin = phasor.cos_sin(positions, frequencies, precision="float32")
    # Their float32 power differs from ours, taken in float64 and rounded, by one unit at most.
    near = slice(0, 2000)
    torch.testing.assert_close(cos[near], their_cos[0, near, :64], rtol=0, atol=3e-4)
    torch.testing.assert_close(sin[near], their_sin[0, near, :64], rtol=0, atol=3e-4)
    exact_cos, _ = phasor.cos_sin(positions, frequencies)
    assert (their_cos[0, -1, :64] - exact_cos[-1]).abs().max() > 1e-3


def test_several_axes_add_their_angles() -> None:
    inv_freq = torch.tensor([[1.0, 0.5], [0.25, 2.0]], dtype=torch.float64)
    frequencies = phasor.Frequencies(inv_freq)
    positions = torch.tensor([[3, 5], [100_000, 7]])
    cos, sin = phasor.cos_sin(positions, frequencies, dtype=torch.float64)
    angles = positions.double() @ inv_freq
    torch.testing.assert_close(cos, angles.cos(), rtol=0, atol=1e-9)
    torch.testing.assert_close(sin, angles.sin(), rtol=0, atol=1e-9)


def test_fractional_positions() -> None:
    frequencies = phasor.geometric(8, 100.0)
    positions = torch.tensor([0.25, -3.5], dtype=torch.float64)
    cos, _ = phasor.cos_sin(positions, frequencies, dtype=torch.float64)
    torch.testing.assert_close(cos, (positions[:, None] * frequencies.inv_freq).cos())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phasor.geometric(63), "rotary_dim must be even and at least 2, got 63; pass rot"),
        (lambda: phasor.geometric(0), "rotary_dim must be even and at least 2, got 0"),
        (lambda: phasor.geometric(8, -1.0), "base must be a positive number, got -1.0"),
        (lambda: phasor.geometric(8, float("nan")), "base must be a positive number, got nan"),
        (lambda: phasor.Frequencies(torch.ones(3)), r"float64 matrix \[axes, pairs\] on the CPU"),
        (
            lambda: phasor.Frequencies(torch.tensor([[float("inf")]], dtype=torch.float64)),
            "must be finite",
        ),
        (
            lambda: phasor.cos_sin(torch.arange(3), phasor.geometric(8), precision="double"),
            r"precision must be one of \['exact', 'float32'\], got 'double'",
        ),
        (
            lambda: phasor.cos_sin(torch.arange(3), phasor.geometric(8), dtype=torch.bfloat16),
            "cos and sin come in float32 or float64, got dtype=torch.bfloat16",
        ),
        (
            lambda: phasor.cos_sin(torch.arange(3), phasor.Frequencies(torch.ones(2, 4).double())),
            r"positions \[seq, 2\] or \[batch, seq, 2\], one number for each of its 2 axes",
        ),
    ],
)
def test_refuses_with_advice(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ArgumentError, match=message):
        call()

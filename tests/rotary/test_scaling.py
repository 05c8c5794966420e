"""Every scaling against transformers, and against its paper's formula derived anew."""

import math
from itertools import product

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

import phasor
from phasor import scaling
from phasor.errors import ArgumentError

DIMS, BASES = (32, 64, 128), (10_000.0, 500_000.0, 1e6)


def theirs(
    dim: int, base: float, max_len: int, seq_len: int | None = None, **parameters: object
) -> tuple[torch.Tensor, float]:
    config = LlamaConfig(
        hidden_size=4 * dim,
        num_attention_heads=4,
        max_position_embeddings=max_len,
        rope_parameters={"rope_theta": base, **parameters},
    )
    rope_type = parameters["rope_type"]
    return ROPE_INIT_FUNCTIONS[rope_type](config, "cpu", seq_len=seq_len)


def check(ours: phasor.Frequencies, expected: tuple[torch.Tensor, float]) -> None:
    inv_freq, gain = expected
    # They compute in float32: a power has a few units of rounding, and where YaRN's ramp is nearly
    # 1 its remainder has as many units as the factor is large.
    assert_close(ours.inv_freq[0].float(), inv_freq, rtol=5e-6, atol=0)
    assert ours.attention_scale == pytest.approx(gain, rel=1e-6)


@pytest.mark.parametrize(("dim", "base"), list(product(DIMS, BASES)))
class TestAgainstTransformers:
    @pytest.mark.parametrize("factor", [1.0, 2.0, 8.0])
    def test_linear(self, dim: int, base: float, factor: float) -> None:
        ours = scaling.linear(factor=factor)(phasor.geometric(dim, base))
        check(ours, theirs(dim, base, 4096, rope_type="linear", factor=factor))

    @pytest.mark.parametrize("seq_len", [1000, 4096, 5000, 32_768])
    def test_dynamic_ntk(self, dim: int, base: float, seq_len: int) -> None:
        ours = scaling.dynamic_ntk(factor=4.0, original_seq_len=4096).at(seq_len)
        expected = theirs(dim, base, 4096, seq_len, rope_type="dynamic", factor=4.0)
        check(ours(phasor.geometric(dim, base)), expected)

    @pytest.mark.parametrize("factor", [1.0, 4.0, 40.0])
    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"truncate": False},
            {"beta_fast": 16.0, "beta_slow": 2.0},
            {"attention_factor": 1.0},
            {"mscale": 1.0, "mscale_all_dim": 0.5},
            {"mscale": 0.707, "mscale_all_dim": 0.707},
        ],
        ids=str,
    )
    def test_yarn(self, dim: int, base: float, factor: float, more: dict[str, float]) -> None:
        ours = scaling.yarn(factor=factor, original_seq_len=4096, **more)
        expected = theirs(
            dim,
            base,
            int(4096 * factor),
            rope_type="yarn",
            factor=factor,
            original_max_position_embeddings=4096,
            **more,
        )
        check(ours(phasor.geometric(dim, base)), expected)

    def test_llama3(self, dim: int, base: float) -> None:
        ours = scaling.llama3(factor=8.0)(phasor.geometric(dim, base))
        expected = theirs(
            dim,
            base,
            131_072,
            rope_type="llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=8192,
        )
        check(ours, expected)

    @pytest.mark.parametrize("seq_len", [4096, 4097])
    def test_longrope(self, dim: int, base: float, seq_len: int) -> None:
        short = [1.0 + 0.01 * pair for pair in range(dim // 2)]
        long = [1.0 + pair for pair in range(dim // 2)]
        ours = scaling.longrope(
            short_factor=short, long_factor=long, original_seq_len=4096, factor=32.0
        )
        expected = theirs(
            dim,
            base,
            131_072,
            seq_len,
            rope_type="longrope",
            factor=32.0,
            short_factor=short,
            long_factor=long,
            original_max_position_embeddings=4096,
        )
        check(ours.at(seq_len)(phasor.geometric(dim, base)), expected)

    @pytest.mark.parametrize("proportion", [0.25, 0.5, 1.0])
    def test_proportional(self, dim: int, base: float, proportion: float) -> None:
        ours = phasor.proportional(dim, proportion, base, factor=8.0)
        expected = theirs(
            dim,
            base,
            4096,
            rope_type="proportional",
            factor=8.0,
            partial_rotary_factor=proportion,
        )
        check(ours, expected)


def yarn_by_the_paper(
    pair: int, dim: int, base: float, factor: float, length: int, fast: float, slow: float
) -> mpmath.mpf:
    """Section 3.2 of the paper with the ramp of the authors' code, in 50 digits."""
    b, two_pi = mpmath.mpf(base), 2 * mpmath.pi

    def pair_that_turns(times: float) -> mpmath.mpf:
        return dim * mpmath.log(length / (two_pi * times)) / (2 * mpmath.log(b))

    low = max(mpmath.floor(pair_that_turns(fast)), 0)
    high = min(mpmath.ceil(pair_that_turns(slow)), dim - 1)
    ramp = min(max((pair - low) / (high - low), 0), 1)
    omega = b ** (mpmath.mpf(-2 * pair) / dim)
    return omega * (1 - ramp) + omega / factor * ramp


@pytest.mark.parametrize(("dim", "base"), list(product(DIMS, BASES)))
@pytest.mark.parametrize("factor", [2.0, 16.0])
def test_yarn_equals_its_paper(dim: int, base: float, factor: float) -> None:
    """High frequencies are left alone and low ones stretched: several libraries do the reverse."""
    ours = scaling.yarn(factor=factor, original_seq_len=8192)(phasor.geometric(dim, base))
    with mpmath.workdps(50):
        expected = [
            float(yarn_by_the_paper(pair, dim, base, factor, 8192, 32.0, 1.0))
            for pair in range(dim // 2)
        ]
    assert_close(ours.inv_freq[0], torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=0)
    assert ours.inv_freq[0, 0] == 1.0
    assert ours.inv_freq[0, -1] * factor == pytest.approx(
        phasor.geometric(dim, base).inv_freq[0, -1].item()
    )
    assert ours.attention_scale == pytest.approx(0.1 * math.log(factor) + 1)


@given(
    dim=st.sampled_from([4, 32, 128]),
    base=st.floats(100, 1e7),
    factor=st.floats(1, 64),
)
@settings(max_examples=50, deadline=None)
def test_ntk_is_a_larger_base(dim: int, base: float, factor: float) -> None:
    ours = scaling.ntk(factor=factor)(phasor.geometric(dim, base))
    larger = phasor.geometric(dim, base * factor ** (dim / (dim - 2)))
    assert_close(ours.inv_freq, larger.inv_freq, rtol=1e-12, atol=0)
    assert ours.base == pytest.approx(larger.base)
    assert scaling.ntk_alpha(alpha=factor)(phasor.geometric(dim, base)) == ours


@given(factor=st.floats(1, 100), length=st.integers(256, 100_000))
@settings(max_examples=50, deadline=None)
def test_scalings_slow_every_pair_by_at_most_the_factor(factor: float, length: int) -> None:
    frequencies = phasor.geometric(64)
    for scale in (
        scaling.linear(factor=factor),
        scaling.ntk(factor=factor),
        scaling.yarn(factor=factor, original_seq_len=length),
        scaling.yarn(factor=factor, original_seq_len=length, blend="geometric"),
        scaling.ntk_by_parts(factor=factor, original_seq_len=length),
        scaling.llama3(factor=factor, original_seq_len=length),
    ):
        slower = frequencies.inv_freq / scale(frequencies).inv_freq
        assert bool((slower >= 1 - 1e-12).all())
        assert bool((slower <= factor * (1 + 1e-12)).all())


def test_they_compose() -> None:
    frequencies = phasor.geometric(64)
    both = scaling.linear(factor=2)(scaling.yarn(factor=4, original_seq_len=1024)(frequencies))
    yarn_alone = scaling.yarn(factor=4, original_seq_len=1024)(frequencies)
    assert_close(both.inv_freq, yarn_alone.inv_freq / 2, rtol=0, atol=0)
    assert both.attention_scale == yarn_alone.attention_scale


def test_theta_scale_stretches_the_pair_that_turns_once_by_the_factor() -> None:
    """At the frequency 2 pi / L, between pairs, which a power law interpolates exactly."""
    length, factor = 2048, 8.0
    frequencies = phasor.geometric(128)
    longer = scaling.theta_scale(factor=factor, original_seq_len=length)(frequencies)
    once = math.log(length / (2 * math.pi)) / math.log(10_000.0)
    assert longer.base**-once == pytest.approx(2 * math.pi / (factor * length))
    assert_close(longer.inv_freq, phasor.geometric(128, longer.base).inv_freq, rtol=1e-12, atol=0)


def test_resonance_repeats_after_whole_tokens() -> None:
    frequencies = scaling.resonance()(phasor.proportional(64, 0.5))
    wavelengths = 2 * math.pi / frequencies.inv_freq[0, :16]
    assert_close(wavelengths, wavelengths.round(), rtol=1e-14, atol=0)
    assert not frequencies.inv_freq[0, 16:].any()
    for pair, wavelength in enumerate(wavelengths.round().long().tolist()):
        start, end = phasor.cos_sin(torch.tensor([0, wavelength]), frequencies)[0][:, pair]
        assert start == end == 1


@pytest.mark.parametrize(("length", "turning"), [(62, 1), (628, 2), (6283, 3), (6284, 4)])
def test_only_pairs_that_come_round_within_the_length_turn(length: float, turning: int) -> None:
    """Wavelengths are 2 pi, 20 pi, 200 pi and 2000 pi tokens; 62 is just less than 20 pi."""
    before = phasor.axial(16, axes=2, base=10_000.0)
    after = scaling.drop_slow(original_seq_len=length)(before)
    for axis in range(2):
        own = slice(4 * axis, 4 * axis + 4)
        kept, dropped = after.inv_freq[axis, own].split((turning, 4 - turning))
        assert_close(kept, before.inv_freq[axis, own][:turning], rtol=0, atol=0)
        assert not dropped.any()
    rotary = phasor.Rotary(16, frequencies=after.with_inv_freq(after.inv_freq[:1]))
    x = torch.randn(1, 1, 1, 16)
    moved, _ = rotary.rotate(x, None, rotary.prepare(torch.tensor([12345])))
    changed = (moved != x)[0, 0, 0]
    assert changed.reshape(2, 8)[:, :turning].all()
    assert not changed.reshape(2, 8)[:, turning:].any()


def test_deepseek_has_two_gains() -> None:
    """transformers: cos and sin times g/g = 1, softmax scale times g squared."""
    deepseek = scaling.yarn(
        factor=40, original_seq_len=4096, mscale=1.0, mscale_all_dim=1.0, scale_softmax=True
    )(phasor.geometric(64))
    assert deepseek.attention_scale == 1.0
    assert deepseek.softmax_scale == pytest.approx((0.1 * math.log(40) + 1) ** 2)


def test_the_clamp_matters_beyond_two_pi_bases() -> None:
    frequencies = phasor.geometric(128, 10_000.0)
    for length, differs in ((4096, False), (131_072, True)):
        wide, narrow = (
            scaling.yarn(factor=8, original_seq_len=length, clamp=clamp)(frequencies).inv_freq
            for clamp in ("dim", "pairs")
        )
        assert bool((wide != narrow).any()) == differs


def test_longrope_gains_may_be_given() -> None:
    given_gains = scaling.longrope(
        short_factor=[1.0],
        long_factor=[2.0],
        original_seq_len=100,
        short_attention_factor=1.1,
        long_attention_factor=1.3,
    )
    assert given_gains.short().attention_factor == 1.1
    assert given_gains.long().attention_factor == 1.3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scaling.linear(factor=0.5), "factor must be at least 1, got 0.5"),
        (lambda: scaling.ntk(factor=2)(phasor.geometric(2)), "at least two pairs"),
        (lambda: scaling.dynamic_ntk(factor=2, original_seq_len=0), "original_seq_len must be at"),
        (
            lambda: scaling.yarn(factor=2, original_seq_len=10, beta_fast=1, beta_slow=32),
            "beta_fast must be at least beta_slow, and both positive, got beta_fast=1",
        ),
        (
            lambda: scaling.yarn(factor=2, original_seq_len=10, scale_softmax=True),
            "scale_softmax needs mscale_all_dim",
        ),
        (
            lambda: scaling.yarn(factor=2, original_seq_len=10)(
                phasor.Frequencies(torch.ones(1, 4).double())
            ),
            "a base greater than 1, got frequencies with base None",
        ),
        (
            lambda: scaling.yarn(factor=2, original_seq_len=10)(phasor.axial(8)),
            "yarn is defined for one axis of positions, got frequencies with 2",
        ),
        (
            lambda: scaling.yarn(factor=2, original_seq_len=10, blend="log"),
            "blend must be 'linear' or 'geometric', got 'log'",
        ),
        (
            lambda: scaling.ntk_by_parts(factor=2, original_seq_len=10)(phasor.axial(8)),
            "ntk_by_parts is defined for one axis",
        ),
        (
            lambda: scaling.theta_scale(factor=2, original_seq_len=6),
            "original_seq_len must be more than 2 pi, got 6",
        ),
        (
            lambda: scaling.theta_scale(factor=2, original_seq_len=9)(
                phasor.Frequencies(torch.ones(1, 4).double())
            ),
            "theta_scale needs frequencies with a base",
        ),
        (
            lambda: scaling.resonance()(
                phasor.image_periods(8).with_inv_freq(torch.full((1, 1), 13.0).double())
            ),
            "wavelengths of at least one token, got frequencies up to 13 radians",
        ),
        (
            lambda: scaling.drop_slow(original_seq_len=6)(phasor.geometric(8)),
            "no pair turns once within original_seq_len=6",
        ),
        (
            lambda: scaling.drop_slow(original_seq_len=0),
            "original_seq_len must be positive, got 0",
        ),
        (
            lambda: scaling.llama3(factor=2, low_freq_factor=4, high_freq_factor=1),
            "high_freq_factor must be at least low_freq_factor",
        ),
        (
            lambda: scaling.stretch(factors=[1.0, 2.0])(phasor.geometric(8)),
            "one factor for each pair, got 2 factors for 4 pairs",
        ),
        (lambda: scaling.stretch(factors=[0.0]), r"factors must be positive, got \[0.0\]"),
        (
            lambda: scaling.longrope(short_factor=[1.0], long_factor=[1.0], original_seq_len=9),
            "longrope needs factor, from which the gain is computed",
        ),
        (
            lambda: scaling.longrope(
                short_factor=[1.0], long_factor=[1.0, 2.0], original_seq_len=9, factor=2
            ),
            "one number for each pair, got 1 and 2",
        ),
    ],
)
def test_refuses_with_advice(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ArgumentError, match=message):
        call()

"""Frequencies of several axes against the models that use them."""

import math

import pytest
import torch
from oracles.models import TEXT_MODELS
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError

POSITIONS = torch.tensor([[0, 0, 0], [5, 5, 5], [6, 7, 9], [100, 3, 50], [4000, 17, 2]])


def compare_with(theirs: object, frequencies: phasor.Frequencies, *, doubled: str) -> None:
    """Their tables of cos and sin over (time, height, width) against ours."""
    cos, sin = theirs(torch.zeros(1), POSITIONS.T[:, None].float())
    if cos.shape[-1] == 2 * frequencies.pairs:
        keep = slice(None, frequencies.pairs) if doubled == "halves" else slice(0, None, 2)
        cos, sin = cos[..., keep], sin[..., keep]
    ours = phasor.cos_sin(POSITIONS, frequencies, precision="float32")
    for got, want in zip(ours, (cos[0], sin[0]), strict=True):
        assert_close(got, want, rtol=0, atol=2e-3)  # their float32 powers, times 4000
        assert_close(got[:4], want[:4], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "sizes", "order"),
    [
        ("Qwen2-VL", (16, 24, 24), "chunked"),
        ("Qwen3-VL", (24, 20, 20), "interleaved"),
        ("Ernie 4.5 VL", (20, 22, 22), "ernie"),
    ],
)
def test_sections_equal_transformers(name: str, sizes: tuple[int, ...], order: str) -> None:
    model = TEXT_MODELS[name]
    frequencies = phasor.sections(phasor.geometric(128, model.base), sizes, order=order)
    compare_with(model.module(), frequencies, doubled=model.doubled)


def test_image_periods_equal_dinov3() -> None:
    from transformers.models.dinov3_vit.configuration_dinov3_vit import DINOv3ViTConfig
    from transformers.models.dinov3_vit.modeling_dinov3_vit import (
        DINOv3ViTRopePositionEmbedding,
        get_patches_center_coordinates,
    )

    config = DINOv3ViTConfig(hidden_size=128, num_attention_heads=2, image_size=64, patch_size=16)
    cos, sin = DINOv3ViTRopePositionEmbedding(config).eval()(torch.zeros(1, 3, 64, 64))
    centres = get_patches_center_coordinates(4, 4, dtype=torch.float32, device="cpu")
    ours = phasor.cos_sin(centres, phasor.image_periods(64, config.rope_theta))
    for got, want in zip(ours, (cos, sin), strict=True):
        assert_close(got, want[:, :32], rtol=0, atol=2e-6)


def test_axial_blocks_are_one_axis_each() -> None:
    frequencies = phasor.axial(24, axes=3, base=1000.0)
    block = phasor.geometric(8, 1000.0).inv_freq[0]
    for axis in range(3):
        row = torch.zeros(12, dtype=torch.float64)
        row[4 * axis : 4 * axis + 4] = block
        assert_close(frequencies.inv_freq[axis], row, rtol=0, atol=0)


def test_pixel_frequencies_are_evenly_spaced() -> None:
    frequencies = phasor.pixel(16, max_freq=10.0)
    expected = torch.tensor([1.0, 7 / 3, 11 / 3, 5.0], dtype=torch.float64) * math.pi
    assert_close(frequencies.inv_freq[0, :4], expected)
    assert_close(frequencies.inv_freq[1, 4:], expected)
    assert frequencies.inv_freq[0, 4:].abs().max() == 0


@pytest.mark.parametrize(("pairs", "max_freq"), [(4, 224.0), (7, 10.0), (1, 224.0)])
def test_pixel_frequencies_of_timm(pairs: int, max_freq: float) -> None:
    """timm aa4b5850, `pixel_freq_bands(linear_bands=False)`, the default of its rotations."""
    frequencies = phasor.pixel(4 * pairs, max_freq=max_freq, spacing="log")
    top = math.log(max_freq, 2) - 1
    expected = [math.pi * 2 ** (top * band / max(pairs - 1, 1)) for band in range(pairs)]
    block = torch.tensor([expected], dtype=torch.float64)
    assert_close(frequencies.inv_freq, torch.block_diag(block, block), rtol=1e-14, atol=0)


def test_text_alone_turns_as_with_one_axis() -> None:
    """Where all axes agree, sections change nothing: text in a model of images stays text."""
    plain = phasor.geometric(64)
    same = torch.arange(50)[:, None].expand(-1, 3)
    for order, sizes in (
        ("chunked", (8, 12, 12)),
        ("interleaved", (12, 10, 10)),
        ("ernie", (10, 11, 11)),
        ("openpangu", (10, 11, 11)),
    ):
        divided = phasor.sections(plain, sizes, order=order)
        for got, want in zip(
            phasor.cos_sin(same, divided), phasor.cos_sin(torch.arange(50), plain), strict=True
        ):
            assert_close(got, want, rtol=0, atol=1e-7)


def test_sections_keep_the_gains() -> None:
    scaled = phasor.scaling.yarn(factor=4, original_seq_len=1024)(phasor.geometric(16))
    assert phasor.sections(scaled, (4, 2, 2)).attention_scale == scaled.attention_scale


def test_equal_if_all_numbers_are() -> None:
    assert phasor.geometric(8) == phasor.geometric(8)
    assert hash(phasor.geometric(8)) == hash(phasor.geometric(8))
    assert phasor.geometric(8) != phasor.geometric(8, 9_999.0)
    assert phasor.geometric(8) != phasor.scaling.linear(factor=2)(phasor.geometric(8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phasor.axial(6), r"multiple of 2 \* axes = 4.* got 6"),
        (lambda: phasor.sections(phasor.geometric(8), (1, 1, 1)), "add up to the 4 pairs"),
        (lambda: phasor.sections(phasor.axial(8), (2, 2)), "one axis, got 2 axes"),
        (
            lambda: phasor.sections(phasor.geometric(12), (4, 3, -1)),
            r"size of axis 2 must be at least 0, got -1; sizes \(4, 3, -1\) must say how many of",
        ),
        (
            lambda: phasor.rotary.doubled_sections(phasor.geometric(12), (4, 3, -1)),
            "size of axis 2 must be at least 0, got -1",
        ),
        (lambda: phasor.axial(8, 0), "axes must be at least 1, got 0"),
        (lambda: phasor.pixel(8, spacing="even"), "spacing must be 'linear' or 'log', got 'even'"),
        (lambda: phasor.pixel(8, max_freq=-1.0), "max_freq must be positive, got -1.0"),
        (
            lambda: phasor.sections(phasor.geometric(8), (0, 2, 2), order="interleaved"),
            "no other may have more than a 3th of the 4 pairs",
        ),
        (
            lambda: phasor.sections(phasor.geometric(8), (1, 2, 1), order="ernie"),
            "equal height and width",
        ),
        (
            lambda: phasor.sections(phasor.geometric(8), (0, 2, 2), order="openpangu"),
            "at least one pair for time",
        ),
        (lambda: phasor.sections(phasor.geometric(8), (4,), order="zigzag"), "order must be"),
        (lambda: phasor.proportional(8, 1.5), "proportion must be from 0 to 1, got 1.5"),
        (lambda: phasor.proportional(8, 0.5, factor=0.0), "factor must be at least 1, got 0.0"),
    ],
)
def test_refuses_with_advice(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: phasor.axial(128, axes=(16, 56, 56)),
            r"axes must be an integer, got \(16, 56, 56\); .*torch.block_diag",
        ),
        (lambda: phasor.sections(phasor.geometric(8), (1.5, 2.5)), "axis 0 must be an integer"),
        (lambda: phasor.sections(phasor.geometric(8), 4), "sizes must be a tuple.*got 4"),
    ],
)
def test_refuses_other_types_with_advice(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ArgumentTypeError, match=message):
        call()


def test_blocks_of_unequal_width_as_the_advice_says() -> None:
    sizes = (4, 6, 2)
    blocks = [phasor.geometric(size).inv_freq for size in sizes]
    frequencies = phasor.Frequencies(torch.block_diag(*blocks))
    assert frequencies.inv_freq.shape == (3, 6)
    assert [int(row.count_nonzero()) for row in frequencies.inv_freq] == [2, 3, 1]

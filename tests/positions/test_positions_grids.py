"""Positions of patches, against plain loops and against transformers' DINOv3."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.dinov3_vit.modeling_dinov3_vit import get_patches_center_coordinates

import phasor
from phasor import positions
from phasor.errors import ArgumentError, ArgumentTypeError

SIZE = st.integers(1, 7)


@settings(deadline=None)
@given(height=SIZE, width=SIZE)
def test_an_image_is_numbered_row_by_row(height: int, width: int) -> None:
    got = positions.grid_2d(height, width)
    assert got.dtype == torch.int64
    assert got.tolist() == [[row, column] for row in range(height) for column in range(width)]


@settings(deadline=None)
@given(frames=SIZE, height=SIZE, width=SIZE)
def test_a_video_is_numbered_frame_by_frame(frames: int, height: int, width: int) -> None:
    got = positions.grid_3d(frames, height, width)
    assert got.dtype == torch.int64
    assert got.tolist() == [
        [frame, row, column]
        for frame in range(frames)
        for row in range(height)
        for column in range(width)
    ]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (14, 14), (63, 37)])
def test_centres_are_those_of_dinov3(height: int, width: int) -> None:
    got = positions.patch_centres(height, width)
    oracle = get_patches_center_coordinates(height, width, torch.float64, torch.device("cpu"))
    torch.testing.assert_close(got, oracle, rtol=0, atol=2**-51)


@settings(deadline=None)
@given(height=st.integers(1, 300), width=SIZE)
def test_centres_are_the_nearest_numbers_to_the_true_ones(height: int, width: int) -> None:
    got = positions.patch_centres(height, width)
    assert got.dtype == torch.float64
    rows = got.view(height, width, 2)[:, 0, 0].tolist()
    assert rows == [float(Fraction(2 * row + 1 - height, height)) for row in range(height)]
    assert torch.equal(got, -got.flip(0))


def test_positions_are_made_on_the_device_that_was_asked_for() -> None:
    assert positions.grid_2d(2, 2, device="meta").device.type == "meta"
    assert positions.grid_3d(2, 2, 2, device="meta").device.type == "meta"
    assert positions.patch_centres(2, 2, device="meta").device.type == "meta"


def test_grids_suit_the_frequencies_of_as_many_axes() -> None:
    cos, _ = phasor.cos_sin(positions.grid_3d(2, 3, 4), phasor.axial(12, axes=3))
    assert cos.shape == (24, 6)
    cos, _ = phasor.cos_sin(positions.patch_centres(3, 4), phasor.image_periods(8))
    assert cos.shape == (12, 4)


def test_refuses_sizes_that_are_none() -> None:
    with pytest.raises(ArgumentError, match="height must be at least 1, got 0; pass the number of"):
        positions.grid_2d(0, 2)
    with pytest.raises(ArgumentError, match="width must be at least 1, got -3"):
        positions.patch_centres(2, -3)
    with pytest.raises(ArgumentTypeError, match=r"frames must be an integer, got 2\.5"):
        positions.grid_3d(2.5, 2, 2)
    with pytest.raises(ArgumentTypeError, match="width must be an integer, got True"):
        positions.grid_2d(1, True)

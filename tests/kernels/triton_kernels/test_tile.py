"""How the work is cut, on the hardware of today."""

import pytest
import torch

from phasor.kernels.triton.tile import choose_tile, strides


def test_a_long_prefill_fills_the_device_and_shares_its_angles() -> None:
    tile = choose_tile(tokens=4 * 8192, heads=40, row_bytes=256, processors=132)
    assert tile.tokens * 256 == tile.warps * 32 * 32  # 16 bytes per thread and half row
    assert 40 // tile.groups >= 8
    assert 4 * 8192 // tile.tokens * tile.groups >= 132 * 16


def test_a_decode_step_is_spread_over_the_device() -> None:
    tile = choose_tile(tokens=64, heads=40, row_bytes=256, processors=132)
    assert tile.groups == 5
    assert 64 // tile.tokens * tile.groups >= 64


@pytest.mark.parametrize("tokens", [1, 63, 10**7])
@pytest.mark.parametrize("heads", [1, 3, 128])
@pytest.mark.parametrize("row_bytes", [4, 64, 2048, 2**16])
def test_every_tile_can_be_launched(tokens, heads, row_bytes) -> None:
    tile = choose_tile(tokens=tokens, heads=heads, row_bytes=row_bytes, processors=132)
    assert tile.tokens.bit_count() == 1
    assert 1 <= tile.groups <= heads
    assert tile.warps in (1, 2, 4)


def test_strides_keep_what_divides_them() -> None:
    unit, (steps, turned) = strides(torch.empty(2, 3, 5, 40), torch.empty(2, 5, 3, 24).mT)
    assert unit == 1
    unit, (steps, turned) = strides(
        torch.empty(2, 3, 5, 40), torch.empty(2, 5, 3, 24).transpose(1, 2)
    )
    assert unit == 8
    assert steps == (75, 25, 5)
    assert turned == (45, 3, 9)


def test_axes_of_one_have_no_stride() -> None:
    unit, (steps,) = strides(torch.empty(1, 3, 1, 16).as_strided((1, 3, 1, 16), (7, 16, 3, 1)))
    assert (unit, steps) == (16, (0, 1, 0))


def test_importing_phasor_does_not_import_triton() -> None:
    import subprocess
    import sys

    code = "import sys, phasor; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

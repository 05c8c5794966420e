"""What decides the speed and can be seen without a GPU: widths of accesses, registers, spills."""

import os

import pytest
import torch
from compiled import Code, compiled

import phasor
from phasor.kernels._turn import Turn

pytest.importorskip("triton", reason="Triton is not installed")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("the interpreter compiles nothing", allow_module_level=True)


def empty(heads: int, head_dim: int, dtype: torch.dtype) -> torch.Tensor:
    x = torch.empty(4, 8192, heads, head_dim, dtype=dtype, device="meta")
    return x.transpose(1, 2)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize(
    ("dtype", "layout", "head_dim", "rotary_dim"),
    [
        (torch.bfloat16, "half", 128, 128),
        (torch.bfloat16, "interleaved", 128, 128),
        (torch.float32, "half", 128, 128),
        (torch.float32, "interleaved", 64, 64),
        (torch.bfloat16, "half", 80, 80),
        (torch.bfloat16, "interleaved", 72, 72),
        (torch.bfloat16, "half", 256, 64),
    ],
)
def test_rotation_moves_16_bytes_at_a_time(dtype, layout, head_dim, rotary_dim, in_place) -> None:
    from phasor.kernels.triton import rotation
    from phasor.kernels.triton.tile import choose_tile

    query, key = empty(32, head_dim, dtype), empty(8, head_dim, dtype)
    width = rotary_dim if in_place else head_dim
    tile = choose_tile(
        tokens=4 * 8192, heads=40, row_bytes=width * query.element_size(), processors=132
    )
    positions = torch.empty(1, 8192, 1, dtype=torch.int64, device="meta")
    code = compiled(
        rotation,
        "_rotation",
        lambda: rotation.launch(
            query,
            key,
            query if in_place else torch.empty_like(query),
            key if in_place else torch.empty_like(key),
            positions,
            phasor.geometric(rotary_dim).turns.to("meta"),
            turn=Turn(layout == "interleaved", 0),
            tile=tile,
        ),
    )
    assert code.stack == 0  # nothing spills
    assert code.registers <= 80  # six blocks of 128 threads and more on each processor
    # A quarter of a head, out of place: fewer channels turn than the tile has threads for.
    narrowest = 64 if rotary_dim < head_dim and not in_place else 128
    assert min(code.accesses("STG")) >= narrowest
    # Narrower loads are those of positions and frequencies, once per program.
    assert code.accesses("LDG")[128] >= code.accesses("STG")[128]
    assert set(code.accesses("LDG")) <= {64, 128}
    # Neither a transcendental unit nor float64: angles of integer positions need neither.
    assert not {name for name in code.instructions if name.startswith(("MUFU.SIN", "DFMA"))}


def fused(name: str, layout: str) -> Code:
    """The code of one fused kernel for q [4, 32, 8192, 128] and 8 heads of key, bfloat16."""
    from phasor.kernels.triton import cache, norm, norm_backward, rotation_backward
    from phasor.kernels.triton.tile import choose_tile

    def rows(heads: int) -> torch.Tensor:
        return empty(heads, 128, torch.bfloat16)

    weight = torch.empty(128, dtype=torch.bfloat16, device="meta")
    positions = torch.empty(1, 8192, 1, dtype=torch.int64, device="meta")
    rstd = torch.empty(4, 32, 8192, device="meta")
    table = phasor.geometric(128).turns.to("meta")
    options = {
        "turn": Turn(layout == "interleaved", 0),
        "tile": choose_tile(tokens=4 * 8192, heads=40, row_bytes=256, processors=132),
    }  # fmt: skip
    if name == "norm":
        options |= {"eps": 1e-6, "unit_offset": False}
        arguments = (rows(32), rows(8), weight, weight, rows(32), rows(8), rstd, rstd[:, :8])
        return compiled(
            norm, "_norm_rotation", lambda: norm.launch(*arguments, positions, table, **options)
        )
    if name.startswith("norm backward"):
        options |= {"unit_offset": False, "from_output": name.endswith("output")}
        arguments = (rows(32), rows(32), weight, rstd, rows(32), positions, table)
        return compiled(
            norm_backward, "_norm_backward", lambda: norm_backward.launch(*arguments, **options)
        )
    if name == "rotation backward":
        arguments = (rows(32), rows(8), rows(32), rows(8), rows(32), rows(8), positions, table)
        return compiled(
            rotation_backward,
            "_rotation_backward",
            lambda: rotation_backward.launch(*arguments, **options),
        )
    weights = (weight, weight) if name == "norm into cache" else (None, None)
    pages = torch.empty(4096, 16, 8, 128, dtype=torch.bfloat16, device="meta").transpose(1, 2)
    slots = torch.empty(4, 8192, dtype=torch.int64, device="meta")
    options |= {"eps": 1e-6, "unit_offset": False, "block_size": 16}
    arguments = (rows(32), rows(8), rows(8), *weights, rows(32), pages, pages, slots)
    return compiled(
        cache, "_rotation_into_cache", lambda: cache.launch(*arguments, positions, table, **options)
    )


@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize(
    ("name", "registers"),
    [
        ("norm", 96),
        ("norm backward from input", 128),
        ("norm backward from output", 128),
        ("rotation backward", 96),
        ("into cache", 80),
        ("norm into cache", 96),
    ],
)
def test_fused_kernels_move_16_bytes_at_a_time(name, layout, registers) -> None:
    code = fused(name, layout)
    assert code.stack == 0
    assert code.registers <= registers
    stores = code.accesses("STG")
    # What is narrower are sums and deviations, once per row or program.
    assert stores[128] >= 2
    assert sum(stores.values()) - stores[128] <= 2
    assert stores[16] == stores[8] == 0
    assert code.accesses("LDG")[128] >= stores[128]

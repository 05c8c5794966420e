"""The rotation kernel against a complex product in float64."""

from collections.abc import Callable

import pytest
import torch
from oracle import angles, turned, ulp
from torch import Tensor

import phasor
from phasor.kernels._turn import Turn


@pytest.fixture
def launch(device: torch.device) -> Callable[..., None]:
    from phasor.kernels.triton.rotation import launch

    return launch


def tensor(
    shape: tuple[int, int, int, int], storage: str, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Random `[batch, heads, seq, head_dim]`, stored in one of the orders that models use."""
    batch, heads, seq, head_dim = shape
    values = torch.randn(shape, device=device, dtype=torch.float64).to(dtype)
    if storage == "heads first":
        return values
    if storage == "tokens first":
        return values.transpose(1, 2).contiguous().transpose(1, 2)
    if storage == "packed":  # one projection for query, key and value
        packed = torch.zeros(batch, seq, heads + 3, head_dim, device=device, dtype=dtype)
        packed[:, :, 1 : heads + 1] = values.transpose(1, 2)
        return packed[:, :, 1 : heads + 1].transpose(1, 2)
    assert storage == "batch last"
    return values.permute(1, 2, 0, 3).contiguous().permute(2, 0, 1, 3)


def check(got: Tensor, x: Tensor, angle: Tensor, **options) -> None:
    truth = turned(x, angle, **options)
    size = max(1.0, x.double().abs().max().item())
    # Half precision is rounded once, at the end; the others at each of four steps.
    tolerance = ulp(x.dtype, x.device) * (4 if x.element_size() >= 4 else 1)
    torch.testing.assert_close(got.cpu().double(), truth, rtol=tolerance, atol=tolerance * size * 2)


FREQUENCIES = {
    "int64": lambda f: f.turns,
    "float64": lambda f: f.inv_freq,
    "float32": lambda f: f.inv_freq.float(),
}


@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("road", FREQUENCIES)
def test_each_layout_dtype_and_road(launch, device, layout, dtype, road) -> None:
    query = tensor((2, 3, 19, 32), "heads first", dtype, device)
    key = tensor((2, 1, 19, 32), "tokens first", dtype, device)
    table = FREQUENCIES[road](phasor.geometric(32, 100.0)).to(device)
    positions = torch.randint(0, 1000, (2, 19, 1), device=device)
    query_out, key_out = torch.full_like(query, torch.nan), torch.full_like(key, torch.nan)
    launch(
        query, key, query_out, key_out, positions, table,
        turn=Turn(layout == "interleaved", 0),
    )  # fmt: skip
    angle = angles(positions, table)
    check(query_out, query, angle, layout=layout, start=0)
    check(key_out, key, angle, layout=layout, start=0)


@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("head_dim", "start", "pairs"),
    [(2, 0, 1), (24, 0, 6), (24, 12, 6), (40, 7, 5), (18, 0, 9), (80, 16, 32)],
)
@pytest.mark.parametrize("storage", ["heads first", "tokens first", "packed", "batch last"])
def test_each_slice_size_and_storage(
    launch, device, layout, sign, head_dim, start, pairs, storage
) -> None:
    query = tensor((2, 5, 7, head_dim), storage, torch.float32, device)
    key = tensor((2, 2, 7, head_dim), storage, torch.float32, device)
    frequencies = torch.rand(1, pairs, dtype=torch.float64, device=device)
    positions = torch.rand(1, 7, 1, device=device) * 50
    angle = angles(positions, frequencies)
    options = {"layout": layout, "start": start, "sign": sign, "gain": 1.25}
    queries, keys = query.clone(), key.clone()
    # Whatever is not written must be seen: outs are poisoned, and so is what lies between rows.
    roomy = torch.full((2, 5, 7, head_dim + 3), torch.nan, device=device)
    query_out, key_out = roomy[..., :head_dim], torch.full_like(key, torch.nan)
    arguments = (positions, frequencies)
    kernel = {"turn": Turn(layout == "interleaved", start, sign, 1.25)}
    launch(query, key, query_out, key_out, *arguments, **kernel)
    check(query_out, queries, angle, **options)
    check(key_out, keys, angle, **options)
    assert roomy[..., head_dim:].isnan().all()
    torch.testing.assert_close(query, queries, rtol=0, atol=0)
    torch.testing.assert_close(key, keys, rtol=0, atol=0)

    launch(query, key, query, key, *arguments, **kernel)
    torch.testing.assert_close(query, query_out, rtol=0, atol=0)
    torch.testing.assert_close(key, key_out, rtol=0, atol=0)


@pytest.mark.parametrize("road", FREQUENCIES)
@pytest.mark.parametrize("axes", [2, 3])
def test_axes_add_up(launch, device, road, axes) -> None:
    query = tensor((2, 2, 11, 16), "tokens first", torch.float32, device)
    inv_freq = torch.randn(axes, 8, dtype=torch.float64)
    inv_freq[0, 3:] = 0.0  # as sections leave it
    table = FREQUENCIES[road](phasor.Frequencies(inv_freq)).to(device)
    positions = torch.randint(0, 90, (11, 2, axes), device=device).transpose(0, 1)
    out = torch.full_like(query, torch.nan)
    launch(
        query, None, out, None, positions, table, turn=Turn(False, 0)
    )  # fmt: skip
    check(out, query, angles(positions, table), layout="half", start=0)


@pytest.mark.parametrize(
    ("road", "largest"),
    [("int64", 2**62), ("int64", 2**31), ("float64", 2**31), ("float32", 10**6)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_positions(launch, device, road, largest, dtype) -> None:
    query = tensor((1, 1, 64, 128), "heads first", dtype, device)
    table = FREQUENCIES[road](phasor.geometric(128, 500_000.0)).to(device)
    positions = torch.randint(-largest, largest, (1, 64, 1), device=device)
    out = torch.full_like(query, torch.nan)
    launch(
        query, None, out, None, positions, table, turn=Turn(True, 0)
    )  # fmt: skip
    # A float64 product is itself off by half a unit in its last place: 2e-7 at 2^31 radians.
    slack = 2e-7 if road == "float64" else 0.0
    truth = turned(query, angles(positions, table), layout="interleaved", start=0)
    tolerance = 8 * torch.finfo(dtype).eps + slack
    torch.testing.assert_close(out.cpu().double(), truth, rtol=0, atol=tolerance * 4)


def test_each_position_kind(launch, device) -> None:
    query = tensor((3, 1, 5, 8), "heads first", torch.float32, device)
    turns = phasor.geometric(8).turns.to(device)
    inv_freq = phasor.geometric(8).inv_freq.to(device)
    every_other = torch.arange(20, device=device)[None, ::4, None]
    per_sequence = torch.arange(5, device=device) + torch.tensor([[0], [7], [100]], device=device)
    for positions, table in [
        (every_other, turns),
        (every_other.int(), turns),
        (every_other.to(torch.int16), turns),
        (per_sequence[..., None], turns),
        (per_sequence[..., None] / 3, inv_freq),
        (per_sequence[..., None].double() / 3, inv_freq),
        (every_other[:, :1].expand(3, 5, 1), turns),
    ]:
        out = torch.full_like(query, torch.nan)
        launch(
            query, None, out, None, positions, table, turn=Turn(False, 0)
        )  # fmt: skip
        check(out, query, angles(positions, table), layout="half", start=0)


@pytest.mark.parametrize("shape", [(0, 2, 3, 8), (2, 2, 0, 8)])
def test_nothing_to_turn(launch, device, shape) -> None:
    query = torch.empty(shape, device=device)
    positions = torch.zeros(1, shape[2], 1, dtype=torch.int64, device=device)
    launch(
        query, None, query, None, positions, phasor.geometric(8).turns.to(device),
        turn=Turn(False, 0),
    )  # fmt: skip


@pytest.mark.parametrize("tokens", [1, 2, 8, 32])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_no_way_to_cut_the_work_changes_it(launch, device, tokens, groups) -> None:
    from phasor.kernels.triton.tile import Tile

    query = tensor((3, 5, 4, 8), "tokens first", torch.float32, device)
    key = tensor((3, 2, 4, 8), "heads first", torch.float32, device)
    positions = torch.randint(0, 99, (3, 4, 1), device=device)
    table = phasor.geometric(8).turns.to(device)
    query_out, key_out = torch.full_like(query, torch.nan), torch.full_like(key, torch.nan)
    launch(
        query, key, query_out, key_out, positions, table, turn=Turn(False, 0),
        tile=Tile(tokens, groups, 1),
    )  # fmt: skip
    angle = angles(positions, table)
    check(query_out, query, angle, layout="half", start=0)
    check(key_out, key, angle, layout="half", start=0)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_offsets_beyond_32_bits(launch, device, dim) -> None:
    shape, steps = (2, 3, 4, 8), [96, 32, 8, 1]
    steps[dim] = 2**31 + 8  # in elements; pages in between are never touched
    room = sum((size - 1) * step for size, step in zip(shape, steps, strict=True)) + 1
    far = torch.empty(room, dtype=torch.bfloat16, device=device).as_strided(shape, steps)
    values = torch.randn(shape, device=device).bfloat16()
    far.copy_(values)
    positions = torch.arange(4, device=device)[None, :, None]
    table = phasor.geometric(8).turns.to(device)
    options = {"turn": Turn(False, 0)}
    out = torch.full_like(values, torch.nan)
    launch(far, None, out, None, positions, table, **options)
    check(out, values, angles(positions, table), layout="half", start=0)
    launch(values, None, far, None, positions, table, **options)
    torch.testing.assert_close(far.contiguous(), out, rtol=0, atol=0)


@pytest.mark.gpu
def test_more_elements_than_32_bits_count() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    from phasor.kernels.triton.rotation import launch

    query = torch.randn(1, 65, 2**18, 128, dtype=torch.bfloat16, device="cuda")
    positions = torch.arange(2**18, device="cuda")[None, :, None]
    table = phasor.geometric(128).turns.cuda()
    out = torch.full_like(query, torch.nan)
    launch(
        query, None, out, None, positions, table, turn=Turn(False, 0)
    )  # fmt: skip
    for token in (0, 2**17 + 1, 2**18 - 1):
        rows, place = query[:, ::16, token : token + 1], positions[:, token : token + 1]
        check(out[:, ::16, token : token + 1], rows, angles(place, table), layout="half", start=0)
    assert not out.isnan().any()

"""Rotation into caches against rows that are placed one by one."""

import pytest
import torch
from oracle import angles, normed, turned, ulp
from torch import Tensor

import phasor
from phasor.kernels._turn import Turn
from phasor.kernels.cache import rotate_into_cache

BLOCK = 4


def placed(cache: Tensor, rows: Tensor, slots: Tensor, paged: bool) -> Tensor:
    """What `cache` is to contain, in float64 on the CPU."""
    result = cache.cpu().double().clone()
    for batch, row in enumerate(slots.tolist()):
        for token, slot in enumerate(row):
            if slot < 0:
                continue
            if paged:
                result[slot // BLOCK, slot % BLOCK] = rows[batch, :, token]
            else:
                result[batch, :, slot] = rows[batch, :, token]
    return result


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize(("inplace", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
@pytest.mark.parametrize(
    ("head_dim", "rotary_dim", "rotary_slice"),
    [(16, 16, "leading"), (24, 12, "leading"), (24, 10, "trailing")],
)
def test_rows_go_to_their_slots(
    device, paged, norm, layout, inplace, dtype, head_dim, rotary_dim, rotary_slice
) -> None:
    def random(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=torch.float64).to(dtype)

    query, key = random(2, 5, 7, head_dim), random(2, 7, 3, head_dim).transpose(1, 2)
    value = random(2, 3, 7, 10)
    weights = [(torch.rand(head_dim, device=device) + 0.5).to(dtype) for _ in range(2)]
    shape = (6, BLOCK, 3) if paged else (2, 3, 11)
    caches = [
        torch.full((*shape, dim), torch.nan, dtype=dtype, device=device) for dim in (head_dim, 10)
    ]
    if paged:
        slots = torch.randperm(24)[:14].view(2, 7)
    else:
        slots = torch.stack([torch.randperm(11)[:7] for _ in range(2)])
    slots[0, 3] = -1
    positions = torch.randint(0, 2**33, (2, 7), device=device)
    frequencies = phasor.Frequencies(torch.rand(1, rotary_dim // 2).double(), attention_scale=1.5)

    start = head_dim - rotary_dim if rotary_slice == "trailing" else 0
    angle = angles(positions[..., None], frequencies.turns)
    before = (query, key)
    if norm:
        before = [
            normed(x, weight, eps=1e-5, unit_offset=True)
            for x, weight in zip((query, key), weights, strict=True)
        ]
    truths = [turned(x, angle, layout=layout, start=start, gain=1.5) for x in before]
    expected = [
        placed(cache, rows, slots, paged)
        for cache, rows in zip(caches, (truths[1], value.cpu().double()), strict=True)
    ]
    options = {
        "query_weight": weights[0], "key_weight": weights[1], "eps": 1e-5, "unit_offset": True,
    }  # fmt: skip
    result = rotate_into_cache(
        query, key, value, positions, frequencies, *caches, slots.to(device), paged=paged,
        layout=layout, rotary_slice=rotary_slice, inplace=inplace, impl="triton",
        **(options if norm else {}),
    )  # fmt: skip
    assert (result is query) == inplace
    tolerance = 8 * ulp(dtype, device)
    # A channel is the difference of two products: it is as exact as its pair is long. With a norm
    # these pairs are up to six long, and the interpreter of Triton 3.7 adds in another order.
    longest = max(1.0, *(truth.abs().max().item() / 2 for truth in truths))
    for got, truth in zip((result, *caches), (truths[0], *expected), strict=True):
        torch.testing.assert_close(
            got.cpu().double(), truth, rtol=tolerance, atol=tolerance * longest, equal_nan=True
        )


@pytest.mark.parametrize("groups", [1, 5])
@pytest.mark.parametrize("tokens", [1, 8])
def test_no_way_to_cut_the_work_changes_it(device, groups, tokens) -> None:
    from phasor.kernels.triton.cache import launch
    from phasor.kernels.triton.tile import Tile

    query, key = torch.randn(3, 5, 1, 8, device=device), torch.randn(3, 2, 1, 8, device=device)
    value = torch.randn(3, 2, 1, 8, device=device)
    caches = [torch.full((3, 2, 9, 8), torch.nan, device=device) for _ in range(2)]
    slots = torch.tensor([[8], [1], [3]], device=device)
    positions, table = slots[..., None], phasor.geometric(8).turns.to(device)
    out = torch.full_like(query, torch.nan)
    launch(
        query, key, value, None, None, out, *caches, slots, positions, table, block_size=0,
        eps=0.0, unit_offset=False, turn=Turn(True, 0),
        tile=Tile(tokens, groups, 1),
    )  # fmt: skip
    angle = angles(positions, table)
    rows = turned(key, angle, layout="interleaved", start=0)
    expected = placed(torch.full_like(caches[0], torch.nan), rows, slots, False)
    torch.testing.assert_close(
        caches[0].cpu().double(), expected, rtol=1e-6, atol=1e-6, equal_nan=True
    )
    torch.testing.assert_close(
        out.cpu().double(), turned(query, angle, layout="interleaved", start=0),
        rtol=1e-6, atol=1e-6,
    )  # fmt: skip
    assert torch.equal(caches[1][torch.arange(3), :, slots[:, 0]], value[:, :, 0])
    assert caches[1].isnan().sum() == 3 * 2 * 8 * 8


def test_slots_beyond_the_cache_are_not_written(device) -> None:
    """On a GPU nobody can look at the slots without waiting, yet memory must stay whole."""
    from phasor.kernels.triton.cache import launch

    x = torch.randn(1, 2, 3, 8, device=device)
    room = torch.full((3, 2, 4, 8), torch.nan, device=device)
    slots = torch.tensor([[4, 1, -7]], device=device)
    launch(
        x, x, x, None, None, torch.empty_like(x), room[1:2], room[1:2].clone(), slots,
        slots[..., None], phasor.geometric(8).turns.to(device), block_size=0, eps=0.0,
        unit_offset=False, turn=Turn(False, 0),
    )  # fmt: skip
    assert not room[1, :, 1].isnan().any()
    assert (~room.isnan()).sum() == 2 * 8

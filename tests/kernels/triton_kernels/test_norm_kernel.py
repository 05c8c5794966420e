"""The fused norm and rotation against a float64 oracle and its automatic derivatives."""

import pytest
import torch
from oracle import angles, normed, turned, ulp
from torch import Tensor

import phasor
from phasor.kernels._turn import Turn
from phasor.kernels.norm import norm_rotate

pytestmark = pytest.mark.usefixtures("poisoned")

SHAPES = {"query": (2, 5, 7), "key": (2, 3, 7)}


def make(head_dim: int, dtype: torch.dtype, device: torch.device, unit_offset: bool) -> dict:
    query = torch.randn(2, 5, 7, head_dim, device=device, dtype=torch.float64).to(dtype)
    key = torch.randn(2, 7, 3, head_dim, device=device, dtype=torch.float64).to(dtype)
    weights = [
        (torch.rand(head_dim, device=device) + 0.5 - int(unit_offset)).to(dtype) for _ in range(2)
    ]
    return {
        "query": query.requires_grad_(),
        "key": key.transpose(1, 2).requires_grad_(),
        "query_weight": weights[0].requires_grad_(),
        "key_weight": weights[1].requires_grad_(),
    }


def oracle(inputs: dict, angle: Tensor, *, unit_offset: bool, **options) -> list[Tensor]:
    return [
        turned(
            normed(inputs[name], inputs[f"{name}_weight"], eps=1e-6, unit_offset=unit_offset),
            angle,
            **options,
        )
        for name in SHAPES
    ]


def close(got: Tensor, truth: Tensor, factor: float) -> None:
    size = max(1.0, truth.abs().max().item())
    tolerance = ulp(got.dtype, got.device) * factor
    torch.testing.assert_close(
        got.detach().cpu().double(), truth.detach(), rtol=tolerance, atol=tolerance * size
    )


@pytest.mark.parametrize("save", ["input", "output"])
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize(
    ("head_dim", "rotary_dim", "rotary_slice"),
    [(16, 16, "leading"), (24, 12, "leading"), (24, 20, "trailing"), (2, 2, "trailing")],
)
@pytest.mark.parametrize(
    ("dtype", "unit_offset"),
    [(torch.float32, True), (torch.float64, False), (torch.bfloat16, False)],
)
def test_values_and_gradients(
    device, save, layout, unit_offset, head_dim, rotary_dim, rotary_slice, dtype
) -> None:
    inputs = make(head_dim, dtype, device, unit_offset)
    inv_freq = torch.rand(1, rotary_dim // 2, dtype=torch.float64)
    frequencies = phasor.Frequencies(inv_freq, attention_scale=1.25)
    positions = torch.randint(0, 2**40, (2, 7), device=device)
    results = norm_rotate(
        *inputs.values(), positions, frequencies, unit_offset=unit_offset, layout=layout,
        rotary_slice=rotary_slice, save=save, impl="triton",
    )  # fmt: skip
    grads = [torch.randn_like(result) for result in results]
    found = torch.autograd.grad(results, list(inputs.values()), grads)

    start = head_dim - rotary_dim if rotary_slice == "trailing" else 0
    angle = angles(positions[..., None], frequencies.turns)
    truths = oracle(
        inputs, angle, unit_offset=unit_offset, layout=layout, start=start, gain=1.25
    )  # fmt: skip
    expected = torch.autograd.grad(
        truths, list(inputs.values()), [grad.cpu().double() for grad in grads]
    )
    for got, truth in zip(results, truths, strict=True):
        close(got, truth, 4)
    # What is rebuilt from a rounded output carries its rounding, times the spread of the weights.
    for got, truth in zip(found, expected, strict=True):
        close(got, truth.double(), 32 if save == "output" else 8)
    for got, x in zip(found, inputs.values(), strict=True):
        assert got.dtype == x.dtype
        assert got.stride() == x.stride()


@pytest.mark.parametrize("tokens", [2, 16])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("from_output", [False, True])
def test_no_way_to_cut_the_work_changes_it(device, tokens, groups, from_output) -> None:
    from phasor.kernels.triton import norm, norm_backward
    from phasor.kernels.triton.tile import Tile

    inputs = make(12, torch.float32, device, False)
    query, key, *weights = (x.detach() for x in inputs.values())
    positions = torch.randint(0, 99, (1, 7, 1), device=device)
    table = phasor.geometric(8).turns.to(device)
    tile = Tile(tokens, groups, 1)
    outs = [torch.empty_like(x) for x in (query, key)]
    rstds = [torch.empty(x.shape[:3], device=device) for x in (query, key)]
    shared = {
        "unit_offset": False, "turn": Turn(False, 0), "tile": tile,
    }  # fmt: skip
    norm.launch(query, key, *weights, *outs, *rstds, positions, table, eps=1e-6, **shared)
    angle = angles(positions, table)
    truths = oracle(inputs, angle, unit_offset=False, layout="half", start=0)
    grads = [torch.randn_like(x) for x in outs]
    expected = torch.autograd.grad(
        truths, list(inputs.values()), [grad.cpu().double() for grad in grads]
    )
    for index, (x, out, rstd) in enumerate(zip((query, key), outs, rstds, strict=True)):
        close(out, truths[index], 8)
        result = torch.empty_like(x)
        saved = out if from_output else x
        arguments = (saved, weights[index], rstd, result, positions, table)
        total = norm_backward.launch(
            grads[index], *arguments, from_output=from_output, **shared
        )  # fmt: skip
        close(result, expected[index].double(), 32)
        close(total, expected[index + 2].double(), 32)
        # In place on the gradient, and the same bits in any run.
        again = norm_backward.launch(
            grads[index], *arguments[:3], grads[index], positions, table,
            from_output=from_output, **shared,
        )  # fmt: skip
        assert torch.equal(grads[index], result)
        assert torch.equal(again, total)


def test_in_place_and_query_alone(device) -> None:
    inputs = make(16, torch.float32, device, True)
    query, weight = inputs["query"], inputs["query_weight"]
    positions = torch.rand(7, device=device) * 100
    frequencies = phasor.geometric(16)
    result, nothing = norm_rotate(
        query, None, weight, None, positions, frequencies, unit_offset=True, impl="triton"
    )  # fmt: skip
    assert nothing is None
    angle = angles(positions[None, :, None], frequencies.inv_freq)
    truth, _ = oracle(inputs, angle, unit_offset=True, layout="half", start=0)
    close(result, truth, 8)
    (found,) = torch.autograd.grad(result.sum(), query)
    (expected,) = torch.autograd.grad(truth.sum(), query)
    close(found, expected.double(), 32)

"""The rotation by a given table: its roundings against PyTorch's own, operation by operation."""

import pytest
import torch
from kernels.test_rotate import needs_library
from torch import Tensor

from phasor.errors import ArgumentError
from phasor.kernels import by_table, cpu
from phasor.kernels.by_table import rotate_by_table

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
# head_dim, pairs, start: vectors alone, with a rest, a rest alone, channels that do not turn.
SIZES = [(64, 32, 0), (150, 75, 0), (20, 3, 0), (80, 36, 5), (6, 3, 0)]


def eager(x: Tensor, cos: Tensor, sin: Tensor, layout: str, start: int, rounding: str) -> Tensor:
    """The formula with PyTorch's operators, each of which rounds."""
    pairs = cos.shape[-1]
    cos, sin = cos[:, None], sin[:, None]
    out = x.clone()
    stop = start + 2 * pairs
    at = (slice(start, stop, 2), slice(start + 1, stop, 2))
    if layout == "half":
        at = (slice(start, start + pairs), slice(start + pairs, stop))
    first, second = x[..., at[0]], x[..., at[1]]
    if rounding != "each":
        first, second = first.to(cos.dtype), second.to(cos.dtype)
    kept = x.dtype if rounding == "each" else torch.promote_types(x.dtype, cos.dtype)
    products = [(a * b).to(kept) for a in (first, second) for b in (cos, sin)]
    out[..., at[0]] = (products[0] - products[3]).to(x.dtype)
    out[..., at[1]] = (products[2] + products[1]).to(x.dtype)
    return out


@needs_library
@pytest.mark.parametrize("rounding", ["wide", "each"])
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rounds_as_pytorch_does(dtype: torch.dtype, layout: str, rounding: str) -> None:
    wide = torch.promote_types(dtype, torch.float32)
    for head_dim, pairs, start in SIZES:
        query = torch.randn(2, 7, 3, head_dim).to(dtype).transpose(1, 2)
        key = torch.randn(2, 2, 7, head_dim).to(dtype)
        angle = torch.randn(2, 7, pairs)
        for table_dtype in {wide, dtype if rounding == "each" else wide}:
            table = angle.cos().to(table_dtype), angle.sin().to(table_dtype)
            how = {"layout": layout, "start": start, "rounding": rounding}
            turned = rotate_by_table(query, key, *table, **how)
            for ours, x in zip(turned, (query, key), strict=True):
                assert torch.equal(ours, eager(x, *table, layout, start, rounding))
                assert ours.stride() == torch.empty_like(x).stride()


def test_channels_that_lie_apart_come_out_together() -> None:
    query = torch.randn(2, 4, 32, 12).mT
    turned, _ = rotate_by_table(query, None, *torch.randn(2, 1, 12, 8))
    assert turned.is_contiguous()


@needs_library
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("rounding", ["once", "wide", "each"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients(dtype: torch.dtype, rounding: str, layout: str) -> None:
    """Those of the formula, with the roundings asked for, in the order in memory asked for."""
    query = torch.randn(2, 3, 7, 16).to(dtype).requires_grad_()
    angle = torch.randn(1, 7, 8)
    cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
    towards = torch.randn(2, 7, 3, 16).to(dtype).transpose(1, 2)
    turned, none = rotate_by_table(
        query, None, cos, sin, layout=layout, rounding=rounding, gradient_order="seq first"
    )
    assert none is None
    (gradient,) = torch.autograd.grad(turned, query, towards)
    assert gradient.transpose(1, 2).is_contiguous()
    wide = torch.promote_types(dtype, torch.float32)
    table = (cos, -sin) if rounding == "each" else (cos.to(wide), -sin.to(wide))
    expected = eager(towards, *table, layout, 0, rounding)
    if rounding == "once":
        torch.testing.assert_close(gradient, expected)
    else:
        assert torch.equal(gradient, expected)


@pytest.mark.parametrize("rounding", ["once", "wide", "each"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_needs_no_library(
    dtype: torch.dtype, rounding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, angle = torch.randn(1, 2, 5, 10).to(dtype), torch.randn(1, 5, 4)
    how = {"layout": "interleaved", "start": 1, "rounding": rounding}
    expected, _ = rotate_by_table(query, None, angle.cos(), angle.sin(), **how)
    monkeypatch.setattr(cpu, "why_missing", lambda: "absent")
    assert not by_table.has_kernel(query)
    turned, _ = rotate_by_table(query, None, angle.cos(), angle.sin(), **how)
    torch.testing.assert_close(turned, expected)


def test_second_derivatives() -> None:
    query = torch.randn(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    angle = torch.randn(1, 3, 2, dtype=torch.float64)

    def turned(x: Tensor) -> Tensor:
        return rotate_by_table(x, None, angle.cos(), angle.sin())[0]

    assert torch.autograd.gradcheck(turned, query)
    assert torch.autograd.gradgradcheck(turned, query)


def test_compiles() -> None:
    query, angle = torch.randn(1, 2, 5, 8), torch.randn(1, 5, 4)
    compiled = torch.compile(rotate_by_table, fullgraph=True, backend="aot_eager")
    expected = rotate_by_table(query, query, angle.cos(), angle.sin(), rounding="each")
    found = compiled(query, query, angle.cos(), angle.sin(), rounding="each")
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("shape", [(5, 4), (3, 5, 4), (1, 4, 4), (1, 5, 5)])
def test_refuses_a_table_that_does_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"a table must be cos and sin \[1 or batch"):
        rotate_by_table(torch.randn(2, 2, 5, 8), None, torch.randn(shape), torch.randn(shape))


def test_has_no_gradient_to_a_table() -> None:
    table = torch.randn(1, 5, 4, requires_grad=True)
    with pytest.raises(ArgumentError, match="has no gradient to its table"):
        rotate_by_table(torch.randn(2, 2, 5, 8), None, table, table)

"""Gradients: to activations by the rotation back, to learned frequencies, and through traps."""

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError

LAYOUTS = ["half", "interleaved"]


def activations(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    query = torch.randn(2, 3, 4, 10, dtype=dtype).transpose(1, 2).contiguous().transpose(1, 2)
    return query.requires_grad_(), torch.randn(2, 3, 4, 10, dtype=dtype).requires_grad_()


def frequencies() -> phasor.Frequencies:
    return phasor.Frequencies(phasor.geometric(6, 100.0).inv_freq, attention_scale=1.5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rotary_slice", ["leading", "trailing"])
@pytest.mark.parametrize("inverse", [True, False])
def test_gradcheck(layout: str, rotary_slice: str, inverse: bool) -> None:
    positions = torch.randint(0, 1000, (2, 4))
    how = {"layout": layout, "rotary_slice": rotary_slice, "inverse": inverse}

    def turned(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return phasor.rotate(query, key, positions, frequencies(), **how)

    assert gradcheck(turned, activations())
    assert gradgradcheck(turned, activations())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("per_head", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_learned_frequencies_and_positions(layout: str, per_head: bool, shared: bool) -> None:
    torch.manual_seed(1)
    inv_freq = torch.randn((3, 2, 3) if per_head else (2, 3), dtype=torch.float64)
    positions = torch.randn((4, 2) if shared else (2, 4, 2), dtype=torch.float64)

    def turned(query: Tensor, key: Tensor, inv_freq: Tensor, positions: Tensor) -> object:
        return phasor.rotate(query, key, positions, inv_freq, layout=layout)

    inputs = (*activations(), inv_freq.requires_grad_(), positions.requires_grad_())
    assert gradcheck(turned, inputs)
    assert gradgradcheck(turned, inputs)


def test_learned_frequencies_of_float32_at_integer_positions() -> None:
    """Against PyTorch's own derivative of the reference."""
    inv_freq = phasor.geometric(32).inv_freq.float().requires_grad_()
    query, weight = torch.randn(2, 2, 4, 50, 32)
    positions = torch.arange(50) + 10
    found = {}
    for impl in ("auto", "reference"):
        turned, _ = phasor.rotate(query, None, positions, inv_freq, impl=impl)
        (found[impl],) = torch.autograd.grad((turned * weight).sum(), inv_freq)
    assert found["auto"].dtype == torch.float32
    assert_close(found["auto"], found["reference"], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_have_the_strides_of_the_input_and_save_nothing(layout: str) -> None:
    query, key = activations(torch.float32)
    positions = torch.arange(4)
    saved = []

    def save(x: Tensor) -> Tensor:
        saved.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(save, lambda x: x):
        turned = phasor.rotate(query, key, positions, frequencies(), layout=layout)
    assert max(x.numel() for x in saved) <= 4
    upstream = [torch.randn_like(x) for x in turned]
    kept = [x.clone() for x in upstream]
    found = torch.autograd.grad(turned, (query, key), upstream)
    assert found[0].stride() == query.stride()
    assert_close(upstream, kept, rtol=0, atol=0)
    turning = phasor.Frequencies(frequencies().inv_freq, attention_scale=1 / 1.5)
    for got, x in zip(found, upstream, strict=True):
        want, _ = phasor.rotate(x, None, positions, turning, layout=layout, inverse=True)
        assert_close(got, want)


class TestInPlace:
    """Known traps: each gave silently wrong gradients in a public library."""

    positions = torch.arange(4) + 3

    def turned(self, x: Tensor, **how: bool) -> Tensor:
        return phasor.rotate(x, None, self.positions, frequencies(), **how)[0]

    def test_a_value_that_was_saved_is_refused(self) -> None:
        query, _ = activations()
        with torch.no_grad():
            x = query * 2
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        product = x * weight  # saves x
        self.turned(x, inplace=True)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.sum().backward()

    def test_of_an_intermediate_value_is_right(self) -> None:
        query, _ = activations()
        weight = torch.randn_like(query)
        found = []
        for inplace in (True, False):
            x = query * 2
            out = self.turned(x, inplace=inplace)
            assert (out is x) is inplace
            found.append(torch.autograd.grad((out * weight).sum(), query)[0])
        assert_close(*found)

    def test_of_a_view_is_right(self) -> None:
        """Query and key as halves of one projection."""
        hidden = torch.randn(2, 4, 60, dtype=torch.float64, requires_grad=True)
        weight = torch.randn(2, 4, 6, 10, dtype=torch.float64)
        found = []
        for inplace in (True, False):
            heads = (hidden * 1.0).unflatten(-1, (6, 10))
            query, key = heads[:, :, :4].transpose(1, 2), heads[:, :, 4:].transpose(1, 2)
            turned = phasor.rotate(query, key, self.positions, frequencies(), inplace=inplace)
            joined = heads if inplace else torch.cat(turned, 1).transpose(1, 2)
            found.append(torch.autograd.grad((joined * weight).sum(), hidden)[0])
        assert_close(*found)

    def test_of_a_leaf_is_refused(self) -> None:
        query, _ = activations()
        kept = query.detach().clone()
        with pytest.raises(ArgumentError, match="query is a leaf that requires a gradient"):
            self.turned(query, inplace=True)
        assert_close(query.detach(), kept, rtol=0, atol=0)
        with torch.no_grad():
            assert self.turned(query, inplace=True) is query

    def test_the_operator_itself_refuses(self) -> None:
        query, key = activations()
        turns = frequencies().turns
        how = (self.positions[None, :, None], turns, False, 0, 1, 1.0)
        with pytest.raises(ArgumentError, match="phasor::rotate_ has no gradient"):
            torch.ops.phasor.rotate_(query * 1, key * 1, *how)

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_under_compile_it_is_right_too(self, backend: str) -> None:
        turning = frequencies()

        class Attention(nn.Module):
            def __init__(self, inplace: bool) -> None:
                super().__init__()
                self.inplace = inplace
                self.projection = nn.Linear(20, 60)

            def forward(self, x: Tensor) -> Tensor:
                heads = self.projection(x).unflatten(-1, (6, 10)).transpose(1, 2)
                query, key, value = heads.split(2, 1)
                query, key = query * 1.0, key * 1.0
                query, key = phasor.rotate(
                    query, key, torch.arange(x.shape[1]), turning, inplace=self.inplace
                )
                return torch.nn.functional.scaled_dot_product_attention(query, key, value)

        plain, inplace = Attention(False), Attention(True)
        inplace.load_state_dict(plain.state_dict())
        compiled = torch.compile(inplace, fullgraph=True, backend=backend)
        x = torch.randn(2, 4, 20)
        for module in (plain, compiled):
            module(x).square().sum().backward()
        assert_close(inplace.projection.weight.grad, plain.projection.weight.grad)

    def test_a_shared_gradient_is_left_alone(self) -> None:
        """The gradient of a sum is one number, expanded; several consumers may hold it."""
        query, _ = activations()
        out = self.turned(query)
        other = query * 1.0
        (out.sum() + other.sum()).backward()
        unit = torch.ones_like(query)
        back = torch.autograd.grad(self.turned(query), query, unit)[0]
        assert_close(query.grad, back + 1)
        assert_close(unit, torch.ones_like(unit), rtol=0, atol=0)

"""The operators under everything that takes programs apart: opcheck, compile, export, vmap."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import phasor
from phasor.kernels import operator
from phasor.kernels.gradient import rotate_by_operator

FREQUENCIES = phasor.geometric(8, 100.0)
POSITIONS = torch.arange(5) + 3


def pair(dtype: torch.dtype = torch.float32, requires_grad: bool = False) -> tuple[Tensor, Tensor]:
    query = torch.randn(2, 5, 4, 12, dtype=dtype).transpose(1, 2)
    key = torch.randn(2, 2, 5, 12, dtype=dtype)
    return query.requires_grad_(requires_grad), key.requires_grad_(requires_grad)


def samples(gradient: bool) -> list[tuple[Any, ...]]:
    turns, floats = FREQUENCIES.turns, FREQUENCIES.inv_freq
    places = POSITIONS[None, :, None]
    return [
        (*pair(requires_grad=gradient), places, turns, False, 0, 1, 1.0),
        (*pair(requires_grad=gradient), places.int(), turns, True, 4, -1, 1.25),
        (*pair(dtype=torch.float64), places.double(), floats, False, 0, 1, 1.0),
        (*pair(dtype=torch.bfloat16), places, floats.float(), False, 2, 1, 1.0),
        (pair()[0], torch.empty(2, 0, 5, 12), places.expand(2, -1, -1), turns, False, 0, 1, 1.0),
    ]


@pytest.mark.parametrize("sample", range(5))
def test_opcheck(sample: int) -> None:
    for gradient in (True, False):
        torch.library.opcheck(torch.ops.phasor.rotate.default, samples(gradient)[sample])
    torch.library.opcheck(torch.ops.phasor.rotate_.default, samples(False)[sample])


def test_opcheck_without_a_key() -> None:
    query, _, *how = samples(False)[0]
    torch.library.opcheck(torch.ops.phasor.rotate_.default, (query, None, *how))


def test_without_a_kernel_the_operator_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = samples(False)[1]
    with_kernel = torch.ops.phasor.rotate(*sample)
    monkeypatch.setattr(operator, "launcher", lambda x: None)
    without = torch.ops.phasor.rotate(*sample)
    for got, want in zip(without, with_kernel, strict=True):
        assert got.stride() == want.stride()
        assert_close(got, want)


def turned(query: Tensor, key: Tensor, positions: Tensor, **how: Any) -> tuple[Tensor, Tensor]:
    turned_query, turned_key = phasor.rotate(query, key, positions, FREQUENCIES, **how)
    assert turned_key is not None
    return turned_query, turned_key


@pytest.mark.parametrize("inplace", [True, False])
def test_one_graph_for_all_sizes(inplace: bool) -> None:
    def model(query: Tensor, key: Tensor, positions: Tensor) -> Tensor:
        query, key = query * 2, key * 2
        query, key = turned(query, key, positions, inplace=inplace)
        return query.sum(-1).sum(1) + key.sum(-1).sum(1)

    compiled = torch.compile(model, fullgraph=True, dynamic=True)
    for batch, seq in ((2, 5), (3, 9), (2, 17)):
        query, key = torch.randn(batch, 4, seq, 12), torch.randn(batch, 2, seq, 12)
        positions = torch.arange(seq)
        with torch.no_grad():
            assert_close(compiled(query, key, positions), model(query, key, positions))
    query, key = torch.randn(2, 4, 5, 12, requires_grad=True), torch.randn(2, 2, 5, 12)
    found = [
        torch.autograd.grad(f(query, key, POSITIONS).square().sum(), query)[0]
        for f in (model, compiled)
    ]
    assert_close(*found)


def test_compiled_in_place_overwrites_its_arguments() -> None:
    query, key = pair()
    wanted = turned(query, key, POSITIONS)
    compiled = torch.compile(lambda *args: turned(*args, inplace=True), fullgraph=True)
    compiled(query, key, POSITIONS)
    assert_close((query, key), wanted)


def test_export() -> None:
    class Model(nn.Module):
        def forward(self, query: Tensor, key: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
            return turned(query, key, positions)

    seq = torch.export.Dim("seq", min=2, max=1000)
    shapes = ({2: seq}, {2: seq}, {0: seq})
    query, key = torch.randn(2, 4, 5, 12), torch.randn(2, 2, 5, 12)
    program = torch.export.export(Model(), (query, key, POSITIONS), dynamic_shapes=shapes)
    assert "phasor.rotate" in program.graph_module.code
    query, key = torch.randn(2, 4, 9, 12), torch.randn(2, 2, 9, 12)
    positions = torch.arange(9)
    assert_close(program.module()(query, key, positions), turned(query, key, positions))


def test_shapes_without_values() -> None:
    query, key = (x.to("meta") for x in pair())
    found, _ = turned(query, key, POSITIONS.to("meta"))
    assert found.shape == query.shape
    assert found.stride() == query.stride()


@pytest.mark.parametrize("dims", [(0, 0, None), (2, None, None), (0, 0, 0), (None, 1, 0)])
def test_vmap(dims: tuple[int | None, ...]) -> None:
    plain = (torch.randn(2, 4, 5, 12), torch.randn(2, 2, 5, 12), POSITIONS)
    inputs = tuple(
        x if dim is None else torch.stack([x * (i + 1) for i in range(3)], dim)
        for x, dim in zip(plain, dims, strict=True)
    )
    found = torch.vmap(turned, in_dims=dims)(*inputs)
    for i in range(3):
        alone = turned(
            *(x if dim is None else x.select(dim, i) for x, dim in zip(inputs, dims, strict=True))
        )
        assert_close(tuple(x[i] for x in found), alone)


# PyTorch's own, when forward mode is first used.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_functional_transforms() -> None:
    query, key = pair(dtype=torch.float64)

    def loss(query: Tensor) -> Tensor:
        turned_query, turned_key = turned(query, key, POSITIONS)
        return (turned_query.sum(1) * turned_key.sum(1)).square().sum()

    grad = torch.func.grad(loss)(query)
    leaf = query.clone().requires_grad_()
    assert_close(grad, torch.autograd.grad(loss(leaf), leaf)[0])
    tangent = torch.randn_like(query)
    _, along = torch.func.jvp(loss, (query,), (tangent,))
    assert_close(along, (grad * tangent).sum())
    rows = torch.stack((query, 2 * query))
    each = torch.vmap(torch.func.grad(loss))(rows)
    assert_close(each[1], torch.func.grad(loss)(2 * query))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_what_cannot_be_transformed_says_so() -> None:
    query, key = pair()
    inv_freq = FREQUENCIES.inv_freq
    with pytest.raises(NotImplementedError, match="cannot be mapped over frequencies"):
        torch.vmap(lambda f: phasor.rotate(query, key, POSITIONS, f)[0])(
            torch.stack([inv_freq] * 2)
        )


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_derivative_along_positions_and_frequencies() -> None:
    query, key = pair(dtype=torch.float64)
    arguments = POSITIONS[None, :, None].double(), FREQUENCIES.inv_freq
    along = torch.randn(1, 5, 1, dtype=torch.float64), torch.randn_like(arguments[1])

    def turned_by(places: Tensor, inv_freq: Tensor) -> Tensor:
        return torch.ops.phasor.rotate(query, key, places, inv_freq, False, 2, -1, 1.25)[0]

    def rotated(places: Tensor, inv_freq: Tensor) -> Tensor:
        return rotate_by_operator(query, key, places, inv_freq, False, 2, -1, 1.25)[0]

    _, tangent = torch.func.jvp(rotated, arguments, along)
    step = 1e-6
    after, before = (
        turned_by(*(x + sign * step * d for x, d in zip(arguments, along, strict=True)))
        for sign in (1, -1)
    )
    assert_close(tangent, (after - before) / (2 * step), rtol=1e-6, atol=1e-7)


def test_rotary_goes_through_the_operator() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Names(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    query, key = pair()
    rotary = phasor.Rotary(12, rotary_dim=8)
    with Names():
        rotary.rotate(query, key, rotary.prepare(POSITIONS))
    assert seen.count("phasor.rotate.default") == 1
    assert not any("cos" in name for name in seen)


def test_inference_mode() -> None:
    with torch.inference_mode():
        query, key = pair()
        wanted = turned(query, key, POSITIONS)
        found = turned(query, key, POSITIONS, inplace=True)
    assert_close(found, wanted, rtol=0, atol=0)

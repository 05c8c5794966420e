"""The public fused norm and rotation, on the CPU: values, saving, compilation, errors."""

import re

import pytest
import torch
from torch import Tensor

import phasor
from phasor.errors import ArgumentError
from phasor.kernels.norm import norm_rotate


def inputs(dtype: torch.dtype = torch.float64, head_dim: int = 12) -> list[Tensor]:
    return [
        torch.randn(2, 4, 5, head_dim, dtype=dtype, requires_grad=True),
        torch.randn(2, 5, 2, head_dim, dtype=dtype).transpose(1, 2).requires_grad_(),
        (torch.rand(head_dim, dtype=dtype) + 0.5).requires_grad_(),
        (torch.rand(head_dim, dtype=dtype) + 0.5).requires_grad_(),
    ]


def test_qwen3_in_transformers() -> None:
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm, apply_rotary_pos_emb

    query, key, query_weight, key_weight = (x.detach().float() for x in inputs(head_dim=16))
    positions, frequencies = torch.arange(5) + 100, phasor.geometric(16, 1e6)
    found = norm_rotate(
        query, key, query_weight, key_weight, positions, frequencies, precision="float32"
    )
    expected = []
    for x, weight in ((query, query_weight), (key, key_weight)):
        module = Qwen3RMSNorm(16, eps=1e-6)
        module.weight.data = weight
        expected.append(module(x))
    angle = positions[:, None].float() * frequencies.inv_freq.float()
    angle = torch.cat((angle, angle), -1)[None]
    truths = apply_rotary_pos_emb(*expected, angle.cos(), angle.sin())
    for got, truth in zip(found, truths, strict=True):
        torch.testing.assert_close(got, truth, rtol=1e-6, atol=1e-6)


def test_gemma3_in_transformers() -> None:
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm

    query, _, weight, _ = (x.detach().float() for x in inputs(head_dim=16))
    module = Gemma3RMSNorm(16, eps=1e-6)
    module.weight.data = weight - 1
    positions, frequencies = torch.arange(5), phasor.geometric(16)
    found, _ = norm_rotate(
        query, None, weight - 1, None, positions, frequencies, unit_offset=True
    )  # fmt: skip
    truth, _ = phasor.rotate(module(query), None, positions, frequencies)
    torch.testing.assert_close(found, truth, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("save", ["input", "output", "auto"])
@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("rotary_slice", ["leading", "trailing"])
def test_gradients(save, layout, rotary_slice) -> None:
    positions = torch.rand(2, 5, dtype=torch.float64) * 20
    frequencies = phasor.Frequencies(torch.rand(1, 4).double(), attention_scale=0.7)

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        return norm_rotate(
            *tensors, positions, frequencies, layout=layout, rotary_slice=rotary_slice, save=save
        )

    assert torch.autograd.gradcheck(call, inputs())


def kept(save: str, weight: Tensor) -> list[Tensor]:
    """What autograd holds on to."""
    saved: list[Tensor] = []
    query = torch.randn(2, 4, 5, 12, requires_grad=True)

    def pack(x: Tensor) -> Tensor:
        saved.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        result, _ = norm_rotate(
            query, None, weight, None, torch.arange(5), phasor.geometric(12), save=save
        )
    names = {query.data_ptr(): "input", result.data_ptr(): "output"}
    return [names[x.data_ptr()] for x in saved if x.data_ptr() in names]


def test_what_is_saved() -> None:
    even, zero, uneven = torch.ones(12), torch.ones(12), torch.ones(12)
    zero[3] = 0.0
    uneven[3] = 1 / 17
    assert kept("input", even) == ["input"]
    assert kept("output", even) == ["output"]
    assert kept("auto", even) == ["output"]
    assert kept("auto", even / 1000) == ["output"]  # small, and nothing lost
    assert kept("auto", zero) == ["input"]
    assert kept("auto", uneven) == ["input"]
    with pytest.raises(ArgumentError, match=r"differ by a factor of 17, .*pass save='input'"):
        kept("output", uneven)
    with pytest.raises(ArgumentError, match="cannot rebuild"):
        kept("output", zero)


def test_small_weights_keep_their_gradients() -> None:
    """The guard is needed: a pair of weights far apart would spoil the rebuilt gradient."""
    frequencies, positions = phasor.geometric(12), torch.arange(5)
    query, _, weight, _ = inputs(torch.bfloat16)
    with torch.no_grad():
        weight[3] = 1e-4
    grads = {}
    for name, wide in (("auto", torch.bfloat16), ("truth", torch.float64)):
        leaves = [x.detach().to(wide).requires_grad_() for x in (query, weight)]
        result, _ = norm_rotate(leaves[0], None, leaves[1], None, positions, frequencies)
        grads[name] = torch.autograd.grad(result.sum(), leaves)
    for got, truth in zip(grads["auto"], grads["truth"], strict=True):
        size = truth.abs().max().item()
        torch.testing.assert_close(got.double(), truth, rtol=0.01, atol=0.01 * size)


@pytest.mark.parametrize("save", ["input", "output"])
def test_compiled_and_checked_by_torch(save) -> None:
    tensors, positions = inputs(torch.float32), torch.arange(5)
    frequencies = phasor.geometric(12)
    operand = frequencies.operand(positions)

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        return norm_rotate(*tensors, positions, frequencies, save=save)

    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    results, expected = compiled(*tensors), call(*tensors)
    grads = [torch.randn_like(x) for x in results]
    for got, truth in zip(
        (*results, *torch.autograd.grad(results, tensors, grads)),
        (*expected, *torch.autograd.grad(expected, tensors, grads)),
        strict=True,
    ):
        torch.testing.assert_close(got, truth)
    torch.library.opcheck(
        torch.ops.phasor.norm_rotate.default,
        (*(tensors[0], tensors[1], tensors[2], tensors[3]), positions[None, :, None], operand,
         1e-6, False, False, 0, 1.0, False, save == "output"),
    )  # fmt: skip


def test_one_derivative_and_no_more() -> None:
    tensors, positions = inputs(), torch.arange(5)
    result, _ = norm_rotate(*tensors, positions, phasor.geometric(12))
    (grad,) = torch.autograd.grad(result.square().sum(), tensors[:1], create_graph=True)
    with pytest.raises(NotImplementedError, match="impl='reference'"):
        grad.sum().backward()


def test_frozen_parts_get_no_gradient() -> None:
    query, key, query_weight, _ = inputs()
    query.requires_grad_(False)
    result, turned = norm_rotate(
        query, key, query_weight, torch.ones(12, dtype=torch.float64), torch.arange(5),
        phasor.geometric(12),
    )  # fmt: skip
    turned.sum().backward()  # the query is not in this loss
    assert key.grad is not None
    assert query.grad is None
    assert query_weight.grad is None
    assert result.requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": torch.ones(4, 5, 12)}, "query must be [batch, num_heads, seq, head_dim]"),
        ({"query_weight": torch.ones(48)}, "query_weight must be [12], one number per channel"),
        ({"key": None}, "key and key_weight go together"),
        ({"key": torch.ones(2, 2, 6, 12)}, "prepared for 5 positions but key has 6"),
        ({"save": "nothing"}, "save must be 'auto', 'input' or 'output', got 'nothing'"),
        ({"impl": "cuda"}, "impl must be 'auto', 'reference' or 'triton', got 'cuda'"),
        ({"frequencies": phasor.geometric(14)}, "turns 14 channels but query has head_dim 12"),
        ({"layout": "split"}, "layout must be one of"),
    ],
)
def test_errors(change, message) -> None:
    arguments = dict(zip(("query", "key", "query_weight", "key_weight"), inputs(), strict=True))
    arguments |= {"positions": torch.arange(5), "frequencies": phasor.geometric(12), **change}
    with pytest.raises(ArgumentError, match=re.escape(message)):
        norm_rotate(**arguments)


def test_triton_on_the_cpu_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(NotImplementedError, match="impl='triton' needs"):
        norm_rotate(*inputs(), torch.arange(5), phasor.geometric(12), impl="triton")

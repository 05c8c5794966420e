"""A patched model in each mode that PyTorch can run it in: bit for bit the model of transformers.

Stock and patched model run in the same mode, and all that comes out is compared. Nothing runs
between patching and the mode: what phasor has to know of the model it knows then.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jvp, vmap
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import phasor

transformers = pytest.importorskip("transformers")

# PyTorch's own, when forward mode or export is first used.
pytestmark = pytest.mark.filterwarnings("ignore:(?!.*phasor)")

FAMILIES = ["Llama", "GPTNeoX", "Gemma2", "Phi3", "Cohere"]
SIZES = {
    "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "vocab_size": 24,
    "num_attention_heads": 4, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip
MORE: dict[str, dict[str, object]] = {
    "GPTNeoX": {},
    "Gemma2": {"num_key_value_heads": 2, "head_dim": 8},
    "Phi3": {"num_key_value_heads": 2, "partial_rotary_factor": 0.5},
}
IDS = torch.randint(3, 24, (2, 5), generator=torch.Generator().manual_seed(1))


def model_of(family: str) -> nn.Module:
    torch.manual_seed(0)
    more = MORE.get(family, {"num_key_value_heads": 2})
    config = getattr(transformers, f"{family}Config")(**SIZES, **more)
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{family}ForCausalLM")(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def autocast(dtype: torch.dtype = torch.bfloat16) -> torch.autocast:
    return torch.autocast("cpu", dtype)


def trained(model: nn.Module, run: Callable[..., Any] | None = None) -> list[Tensor]:
    """Logits and the gradients of all weights."""
    out = (model if run is None else run)(IDS, labels=IDS, use_cache=False)
    out.loss.backward()
    return [out.logits.detach(), *(x.grad for x in model.parameters() if x.grad is not None)]


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    dtypes = [x.dtype for x in found] == [x.dtype for x in expected]
    return dtypes and all(map(torch.equal, found, expected))


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: x.detach() for name, x in model.named_parameters()}


def loss_of(model: nn.Module) -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    def loss(weights: dict[str, Tensor], ids: Tensor) -> Tensor:
        more = {"labels": ids[None], "use_cache": False}
        return functional_call(model, weights, (ids[None],), more).loss

    return loss


def embedded(model: nn.Module) -> Tensor:
    return model.get_input_embeddings()(IDS).detach()


def logits_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: model(inputs_embeds=x[None], use_cache=False).logits[0]


def few_logits_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: logits_of(model)(x)[:, :3].sum(0)


def tangent_of(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(5))


class Ids(nn.Module):
    """What torch.export takes: tensors in, a tensor out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        return self.model(input_ids=ids, use_cache=False).logits


MODES: dict[str, Callable[[nn.Module], list[Tensor]]] = {}


def mode(run: Callable[[nn.Module], list[Tensor]]) -> Callable[[nn.Module], list[Tensor]]:
    MODES[run.__name__.replace("_", " ")] = run
    return run


@mode
def autocast_and_checkpointing(model: nn.Module) -> list[Tensor]:
    model.train().gradient_checkpointing_enable({"use_reentrant": False})
    with autocast():
        return trained(model)


@mode
def autocast_to_float16_and_checkpointing(model: nn.Module) -> list[Tensor]:
    model.train().gradient_checkpointing_enable({"use_reentrant": False})
    with autocast(torch.float16):
        return trained(model)


@mode
def cast_to_bfloat16_and_checkpointing(model: nn.Module) -> list[Tensor]:
    model.to(torch.bfloat16).train().gradient_checkpointing_enable({"use_reentrant": False})
    return trained(model)


@mode
def cast_to_float16(model: nn.Module) -> list[Tensor]:
    return trained(model.to(torch.float16))


@mode
def cast_to_float64(model: nn.Module) -> list[Tensor]:
    return trained(model.to(torch.float64))


@mode
def compiled_after_a_cast(model: nn.Module) -> list[Tensor]:
    torch._dynamo.reset()
    return trained(
        model, torch.compile(model.to(torch.bfloat16), fullgraph=True, backend="aot_eager")
    )


@mode
def compiled_under_autocast(model: nn.Module) -> list[Tensor]:
    torch._dynamo.reset()
    with autocast():
        return trained(model, torch.compile(model, fullgraph=True, backend="aot_eager"))


@mode
def exported_under_autocast(model: nn.Module) -> list[Tensor]:
    with torch.no_grad(), autocast():
        return [torch.export.export(Ids(model), (IDS,), strict=False).module()(IDS)]


@mode
def fake_tensors_under_autocast(model: nn.Module) -> list[Tensor]:
    with FakeTensorMode(allow_non_fake_inputs=True), autocast():
        out = model(IDS, use_cache=False).logits
    return [torch.ones(out.shape, dtype=out.dtype)]


@mode
def inference_under_autocast(model: nn.Module) -> list[Tensor]:
    with torch.inference_mode(), autocast():
        return [model(IDS, use_cache=False).logits]


@mode
def flops_counted(model: nn.Module) -> list[Tensor]:
    with FlopCounterMode(display=False), autocast():
        return trained(model)


@mode
def gradient_as_a_function(model: nn.Module) -> list[Tensor]:
    return tree_leaves(grad(loss_of(model))(weights_of(model), IDS[0]))


@mode
def gradient_as_a_function_under_autocast(model: nn.Module) -> list[Tensor]:
    with autocast():
        return gradient_as_a_function(model)


@mode
def gradient_of_each_sample(model: nn.Module) -> list[Tensor]:
    return tree_leaves(
        vmap(grad(loss_of(model)), (None, 0), randomness="different")(weights_of(model), IDS)
    )


@mode
def mapped(model: nn.Module) -> list[Tensor]:
    return [vmap(logits_of(model))(embedded(model))]


@mode
def forward_derivative(model: nn.Module) -> list[Tensor]:
    x = embedded(model)[0]
    return list(jvp(logits_of(model), (x,), (tangent_of(x),)))


@mode
def forward_jacobian(model: nn.Module) -> list[Tensor]:
    return [jacfwd(few_logits_of(model))(embedded(model)[0][:2])]


@mode
def hessian_matrix(model: nn.Module) -> list[Tensor]:
    x = embedded(model)[0][:2]
    return [hessian(lambda x: few_logits_of(model)(x).square().sum())(x)]


@mode
def dual_numbers_without_a_gradient(model: nn.Module) -> list[Tensor]:
    x = embedded(model)[0]
    with torch.no_grad(), forward_ad.dual_level():
        out = logits_of(model)(forward_ad.make_dual(x, tangent_of(x)))
        return [forward_ad.unpack_dual(out).tangent]


@mode
def derivative_along_frequencies(model: nn.Module) -> list[Tensor]:
    """A table that is differentiated is not for the kernel, forward no more than backward."""
    name, inv_freq = next(x for x in model.named_buffers() if x[0].endswith("inv_freq"))

    def logits(inv_freq: Tensor) -> Tensor:
        return functional_call(model, {name: inv_freq}, (IDS,), {"use_cache": False}).logits

    _, along = jvp(logits, (inv_freq,), (torch.ones_like(inv_freq),))
    assert along.abs().max() > 0
    return [along]


@mode
def second_derivative(model: nn.Module) -> list[Tensor]:
    x = embedded(model)[0].requires_grad_()
    (first,) = torch.autograd.grad(logits_of(model)(x).square().sum(), x, create_graph=True)
    return [*torch.autograd.grad(first.square().sum(), x)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", MODES)
def test_bit_for_bit(name: str, family: str) -> None:
    expected = MODES[name](model_of(family))
    model = model_of(family)
    phasor.patch(model)
    # Cohere turns float64 in float32 by a table in float64, for which there is no kernel.
    keeps_its_own = family == "Cohere" and name == "cast to float64"
    with pytest.warns(RuntimeWarning, match="its own") if keeps_its_own else nullcontext():
        found = MODES[name](model)
    assert same(found, expected)


def test_gradients_of_each_sample_compile() -> None:
    """Within a transform torch.compile sees into operations alone, not into an operator."""
    model, other = model_of("Llama"), model_of("Llama")
    phasor.patch(model)
    torch._dynamo.reset()
    each = vmap(grad(loss_of(model)), (None, 0), randomness="different")
    run = torch.compile(each, fullgraph=True, backend="aot_eager")
    found = tree_leaves(run(weights_of(model), IDS))
    for some, wanted in zip(found, gradient_of_each_sample(other), strict=True):
        torch.testing.assert_close(some, wanted)


@pytest.mark.parametrize(
    "name",
    [
        "cast to float64", "autocast and checkpointing", "exported under autocast",
        "gradient of each sample", "forward jacobian", "hessian matrix",
    ],
)  # fmt: skip
@pytest.mark.parametrize("family", ["Llama", "Phi3"])
def test_rounded_once_is_near(name: str, family: str) -> None:
    expected = MODES[name](model_of(family))
    model = model_of(family)
    phasor.patch(model, parity="rounded")
    eps = 0.03 if "autocast" in name else 1e-13 if "float64" in name else 1e-5
    for some, other in zip(MODES[name](model), expected, strict=True):
        assert (some.double() - other.double()).norm() < eps * other.double().norm().clamp(min=1e-9)


@pytest.mark.parametrize(
    "inside",
    [
        torch.no_grad, torch.inference_mode, autocast, FakeTensorMode,
        lambda: torch.device("meta"), forward_ad.dual_level,
        lambda: torch.autograd.graph.saved_tensors_hooks(lambda x: x[:0], lambda x: x),
    ],
    ids=["no grad", "inference", "autocast", "fake", "meta", "dual", "hooks"],
)  # fmt: skip
@pytest.mark.parametrize("parity", ["bitwise", "rounded"])
def test_where_it_is_patched_does_not_matter(inside: Callable[[], Any], parity: str) -> None:
    model, other = model_of("Llama"), model_of("Llama")
    state = torch.get_rng_state()
    with inside():
        ours = phasor.patch(model, parity=parity)
    assert torch.equal(torch.get_rng_state(), state)
    theirs = phasor.patch(other, parity=parity)
    assert (ours.replaced, ours.tables) == (theirs.replaced, theirs.tables)
    assert same(trained(model), trained(other))


@pytest.mark.parametrize("parity", ["bitwise", "rounded"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_values_is_patched_as_one_with_them(family: str, parity: str) -> None:
    full, other = model_of(family), model_of(family)
    state = full.state_dict()
    with torch.device("meta"):
        model = model_of(family)
    found = phasor.patch(model, parity=parity)
    expected = phasor.patch(full, parity=parity)
    assert found.replaced == expected.replaced
    assert found.tables == expected.tables
    # Then the values arrive, from a file and for what no file has.
    model.to_empty(device="cpu")
    model.tie_weights()
    model.load_state_dict(state)
    for mine, its in zip(model.buffers(), other.buffers(), strict=True):
        mine.copy_(its)
    found = trained(model)
    assert same(found, trained(full))
    if parity == "bitwise":
        assert same(found, trained(other))

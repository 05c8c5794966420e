"""Patched models and accelerate's hooks, in each order: patched whole while patched, stock after.

Each hook sets a forward of its own on a module, around the one that its class had then.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import phasor

transformers = pytest.importorskip("transformers")
accelerate = pytest.importorskip("accelerate")
hooks = pytest.importorskip("accelerate.hooks")

FAMILIES = ["Llama", "GPTNeoX", "Gemma2", "Phi3", "Cohere"]
SIZES = {
    "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 3, "vocab_size": 24,
    "num_attention_heads": 4, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip
IDS = torch.randint(3, 24, (2, 5), generator=torch.Generator().manual_seed(1))


def model_of(family: str) -> nn.Module:
    torch.manual_seed(0)
    more = {"num_key_value_heads": 4, "head_dim": 8} if family == "Gemma2" else {}
    config = getattr(transformers, f"{family}Config")(**SIZES, **more)
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """One entry for each pass through phasor's rotation."""
    from phasor._patch.site import Site

    seen: list[object] = []
    inner = Site.__call__

    def call(site: Site, *args: Any, **kwargs: Any) -> Any:
        seen.append(site)
        return inner(site, *args, **kwargs)

    monkeypatch.setattr(Site, "__call__", call)
    return seen


def every_module(model: nn.Module, folder: Path) -> None:
    for module in list(model.modules()):
        hooks.add_hook_to_module(module, hooks.ModelHook())


def twice(model: nn.Module, folder: Path) -> None:
    every_module(model, folder)
    for module in list(model.modules()):
        hooks.add_hook_to_module(module, hooks.ModelHook(), append=True)


def devices(model: nn.Module, folder: Path) -> None:
    """The last layer on another device: the disk, the one that each machine has."""
    base = model.base_model_prefix
    places = {name: "cpu" for name, _ in model.named_children() if name != base}
    for name, _ in getattr(model, base).named_children():
        places[f"{base}.{name}"] = "cpu"
    del places[f"{base}.layers"]
    places |= {f"{base}.layers.{i}": "disk" if i == 2 else "cpu" for i in range(3)}
    accelerate.dispatch_model(model, places, main_device="cpu", offload_dir=folder)


def offload(model: nn.Module, folder: Path) -> None:
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"), offload_buffers=True)


WAYS = [every_module, twice, devices, offload]
Way = Callable[[nn.Module, Path], None]


def unhook(model: nn.Module) -> None:
    hooks.remove_hook_from_submodules(model)


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    return model(IDS, use_cache=False).logits


def functions_of(model: nn.Module) -> dict[str, object]:
    """What each module calls forward, and what its hook does."""
    return {
        f"{name}.{key}": getattr(getattr(module, key), "__func__", None)
        for name, module in model.named_modules()
        for key in ("forward", "_old_forward")
        if hasattr(module, key)
    }


@pytest.mark.parametrize("parity", ["bitwise", "rounded"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", WAYS)
def test_hook_patch_unpatch_unhook(
    way: Way, family: str, parity: str, turned: list[object], tmp_path: Path
) -> None:
    expected, model = logits(model_of(family)), model_of(family)
    stock = functions_of(model)
    way(model, tmp_path)
    hooked = functions_of(model)
    found = phasor.patch(model, parity=parity)
    assert not found.untouched
    assert sum(map(len, found.replaced.values())) == 3
    assert len(found.tables) == (parity == "rounded")
    after = logits(model)
    assert len(turned) == 3
    if parity == "bitwise":
        assert torch.equal(after, expected)
    else:
        torch.testing.assert_close(after, expected)
    phasor.unpatch(model)
    assert functions_of(model) == hooked
    assert torch.equal(logits(model), expected)
    assert len(turned) == 3
    unhook(model)
    assert functions_of(model) == stock


@pytest.mark.parametrize("parity", ["bitwise", "rounded"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", WAYS)
def test_hook_patch_unhook_unpatch(
    way: Way, family: str, parity: str, turned: list[object], tmp_path: Path
) -> None:
    expected, model = logits(model_of(family)), model_of(family)
    stock = functions_of(model)
    way(model, tmp_path)
    phasor.patch(model, parity=parity)
    unhook(model)
    logits(model)
    assert len(turned) == 3
    phasor.unpatch(model)
    assert torch.equal(logits(model), expected)
    assert len(turned) == 3
    assert functions_of(model) == stock


@pytest.mark.parametrize("unhook_first", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", WAYS)
def test_patch_hook_unpatch(
    way: Way, family: str, unhook_first: bool, turned: list[object], tmp_path: Path
) -> None:
    expected, model = logits(model_of(family)), model_of(family)
    stock = functions_of(model)
    phasor.patch(model, parity="rounded")
    way(model, tmp_path)
    logits(model)
    assert len(turned) == 3
    if unhook_first:
        unhook(model)
        logits(model)
        assert len(turned) == 6
    phasor.unpatch(model)
    turned.clear()
    assert torch.equal(logits(model), expected)
    assert not turned
    unhook(model)
    assert functions_of(model) == stock
    assert torch.equal(logits(model), expected)


def wrapped(module: nn.Module) -> None:
    inner = module.forward

    @wraps(inner)
    def forward(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    module.forward = forward


def bound_twice(module: nn.Module) -> None:
    inner = module.forward

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    module.forward = MethodType(forward, module)


def given(module: nn.Module) -> None:
    def call(inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    module.forward = partial(call, module.forward)


@pytest.mark.parametrize("wrap", [wrapped, bound_twice, given])
def test_other_wrappers_are_looked_through(
    wrap: Callable[[nn.Module], None], turned: list[object]
) -> None:
    expected, model = logits(model_of("Llama")), model_of("Llama")
    wrap(model.model.layers[1].self_attn)
    phasor.patch(model)
    assert torch.equal(logits(model), expected)
    assert len(turned) == 3
    phasor.unpatch(model)
    assert torch.equal(logits(model), expected)
    assert len(turned) == 3


class Opaque:
    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def test_what_cannot_be_looked_through_is_named(turned: list[object]) -> None:
    expected, model = logits(model_of("Llama")), model_of("Llama")
    module = model.model.layers[1].self_attn
    module.forward = Opaque(module.forward)
    found = phasor.patch(model)
    assert "its forward was replaced" in found.untouched["model.layers.1.self_attn"]
    (names,) = found.replaced.values()
    assert names == ("model.layers.0.self_attn", "model.layers.2.self_attn")
    assert torch.equal(logits(model), expected)
    assert len(turned) == 2
    phasor.unpatch(model)
    for layer in model.model.layers:
        layer.self_attn.forward = Opaque(type(module).forward.__get__(layer.self_attn))
    with pytest.raises(
        phasor.errors.ArgumentError, match=r"model.layers.1.self_attn: its forward was replaced"
    ):
        phasor.patch(model)


def test_a_patched_copy_with_hooks_is_whole(turned: list[object], tmp_path: Path) -> None:
    expected, model = logits(model_of("Llama")), model_of("Llama")
    phasor.patch(model)
    every_module(model, tmp_path)
    twin = copy.deepcopy(model)
    phasor.unpatch(model)
    assert torch.equal(logits(twin), expected)
    assert len(turned) == 3
    phasor.unpatch(twin)
    assert torch.equal(logits(twin), expected)
    assert len(turned) == 3


def test_patching_copies_no_weights_that_a_hook_holds() -> None:
    class Never(dict[str, Tensor]):
        def __deepcopy__(self, memo: object) -> "Never":
            raise AssertionError("a copy of all weights")

    model = model_of("Llama")
    accelerate.cpu_offload(
        model, execution_device=torch.device("cpu"), state_dict=Never(model.state_dict())
    )
    assert phasor.patch(model, parity="rounded").tables

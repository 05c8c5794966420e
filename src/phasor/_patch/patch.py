"""phasor's rotation in a live model, and out of it again."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from phasor._patch.rebind import become, hides, original_class, rebound_class
from phasor._patch.site import Parity, Site, is_apply, name_of
from phasor._patch.tables import forms_tables, has_one_angle, keeps_float32
from phasor.errors import ArgumentError, ArgumentTypeError

PARITIES: tuple[Parity, ...] = ("bitwise", "rounded")


@dataclass(frozen=True)
class Patched:
    """What `phasor.patch` replaced; as a context manager, it puts that back at the end.

    Attributes:
        model: The model.
        parity: As it was asked for.
        replaced: For each apply function the names of the modules that call phasor's rotation in
            its place.
        tables: Names of the modules that hand out cosines and sines in float32 now.
        untouched: Names of functions, and of modules, that were left as they were, each with the
            reason.
    """

    model: nn.Module
    parity: Parity
    replaced: dict[str, tuple[str, ...]]
    tables: tuple[str, ...]
    untouched: dict[str, str]

    def __enter__(self) -> "Patched":
        return self

    def __exit__(self, *exception: object) -> None:
        if _is_patched(self.model):
            unpatch(self.model)


def patch(model: nn.Module, *, parity: Literal["bitwise", "rounded"] = "bitwise") -> Patched:
    r"""Put phasor's rotation into a live model of transformers, for training and generation.

    Each attention module gets a class of its own, made of the same code, that finds phasor's
    rotation where it looked for the function of its modeling file. Nothing else changes: not the
    file, not another model of the same class, not a weight. What the function does (which channels
    form a pair, where they go, which columns of the table they read, which dtypes it computes in)
    is measured, not looked up, and phasor's rotation is compared with it before it is used.

    Args:
        model: The model; changed in place.
        parity: `"bitwise"` rounds wherever the model does: the same logits and gradients, bit for
            bit, in one pass over memory. `"rounded"` computes in float32 and rounds once, by
            float32 tables where the model has them: nearer to the exact rotation, and equal to the
            model's own within the rounding of its dtype.

    Returns:
        What was replaced, and what was left alone and why. As a context manager it restores the
        model at the end of the block.

    Raises:
        ArgumentError: Nothing can be replaced, and why; or the model is patched already.
        ArgumentTypeError: `model` is not a module.

    The first forward pass raises `RuntimeError` if it did not reach phasor's rotation.

    Examples:
        >>> from transformers import LlamaConfig, LlamaModel
        >>> sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 1}
        >>> model = LlamaModel(LlamaConfig(intermediate_size=64, vocab_size=99, **sizes))
        >>> ids = torch.arange(9)[None]
        >>> before = model(ids).last_hidden_state
        >>> with phasor.patch(model) as patched:
        ...     torch.equal(before, model(ids).last_hidden_state)
        True
        >>> patched.replaced
        {'modeling_llama.apply_rotary_pos_emb': ('layers.0.self_attn',)}
    """
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError(
            f"model must be a model of transformers, got {type(model).__name__}; load it first: "
            "AutoModel.from_pretrained(...)"
        )
    if parity not in PARITIES:
        raise ArgumentError(f"parity must be one of {list(PARITIES)}, got {parity!r}")
    if _is_patched(model):
        raise ArgumentError(
            f"{type(model).__name__} is patched already; call phasor.unpatch(model) first"
        )
    named = dict(model.named_modules())
    makers = {name: module for name, module in named.items() if forms_tables(module)}
    one_angle = all(has_one_angle(module) for module in makers.values())
    sites: dict[Any, Site] = {}
    callers: dict[Site, list[type[nn.Module]]] = {}
    classes: dict[type[nn.Module], type[nn.Module]] = {}
    for kind in dict.fromkeys(map(type, named.values())):

        def substitute(value: object, kind: type[nn.Module] = kind) -> object | None:
            if not is_apply(value):
                return None
            if value not in sites:
                sites[value] = Site(value, name_of(value), parity, one_angle)
            site = sites[value]
            callers.setdefault(site, []).append(kind)
            return None if site.why_not else site

        other = rebound_class(kind, substitute)
        if other is not None:
            classes[kind] = other
    untouched = {site.name: site.why_not for site in sites.values() if site.why_not}
    hidden = [
        name for name, module in named.items()
        if type(module) in classes and hides(module, classes[type(module)])
    ]  # fmt: skip
    why_not = "its forward was replaced by one in which that of its class is not to be found"
    untouched |= dict.fromkeys(hidden, why_not)
    turning = {
        name: module for name, module in named.items()
        if type(module) in classes and name not in hidden
    }  # fmt: skip
    if not turning:
        reasons = "; ".join(f"{name}: {why}" for name, why in untouched.items())
        raise ArgumentError(
            f"{type(model).__name__} has no rotation that phasor can replace: "
            + (reasons or "no method of its modules calls a function of cos and sin")
        )
    widened: dict[str, type[nn.Module]] = {}
    if parity == "rounded" and not untouched:
        # All or none: what reads a table here and there must know of which kind it is.
        wide = {name: keeps_float32(module) for name, module in makers.items()}
        widened = {name: kind for name, kind in wide.items() if kind is not None}
        seen = not any(hides(makers[name], kind) for name, kind in widened.items())
        widened = widened if seen and len(widened) == len(makers) else {}
        for name, kind in widened.items():
            become(makers[name], kind)
        for site in sites.values():
            site.widened = bool(widened)
    for module in turning.values():
        become(module, classes[type(module)])
    model.register_forward_hook(_FirstForward(list(sites.values())))
    replaced = {
        site.name: tuple(
            name for name, module in turning.items() if original_class(module) in callers[site]
        )
        for site in sites.values()
        if not site.why_not
    }
    return Patched(model, parity, replaced, tuple(widened), untouched)


def unpatch(model: nn.Module) -> None:
    """Give a model back the rotation that it had before `phasor.patch`.

    Args:
        model: A patched model, or a copy of one.

    Raises:
        ArgumentError: It is not patched.
    """
    if not _is_patched(model):
        raise ArgumentError(
            f"{type(model).__name__} is not patched; call phasor.patch(model) first"
        )
    for module in model.modules():
        kind = original_class(module)
        if kind is not None:
            become(module, kind)
    _FirstForward.leave(model)


def _is_patched(model: nn.Module) -> bool:
    return any(original_class(module) for module in model.modules())


class _FirstForward:
    """A hook that looks, once, whether a forward pass reached what it was to reach."""

    def __init__(self, sites: list[Site]) -> None:
        self.sites = sites

    def __call__(self, model: nn.Module, arguments: Any, output: Any) -> None:
        if torch.compiler.is_compiling():
            return
        self.leave(model)
        if not any(site.called for site in self.sites):
            raise RuntimeError(
                f"a forward pass of {type(model).__name__} called none of "
                f"{sorted(site.name for site in self.sites)}, which phasor.patch replaced: it is "
                "without effect on this model; call phasor.unpatch(model) and report it"
            )

    def __deepcopy__(self, memo: dict[int, Any]) -> "_FirstForward":
        return self

    def __reduce__(self) -> Any:
        # A pickled model is one that is not patched.
        return _left_hook, ()

    @staticmethod
    def leave(model: nn.Module) -> None:
        for key, hook in list(model._forward_hooks.items()):
            if isinstance(hook, _FirstForward):
                del model._forward_hooks[key]


def _left_hook() -> Any:
    return _nothing


def _nothing(model: nn.Module, arguments: Any, output: Any) -> None:
    """What a hook leaves behind in a pickle."""

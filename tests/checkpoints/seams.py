"""What a model does with positions while it runs, taken down where it does it."""

import functools
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from torch import Tensor, nn

_TURNS = re.compile(r"apply.*rot|apply.*rope|rotate_queries_or_keys")
_TABLES = {"cos", "sin", "freqs_cis", "freqs_ci", "sinusoidal_pos", "relative_position_embeddings"}
_OWNER = re.compile(r"Attention|Indexer|MLA|Compressor")
_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|block|blocks)\.(\d+)")


@dataclass(frozen=True)
class Turn:
    """One call of the function that turns: by which module, what went in, what came out.

    `inside` says that another such function made the call.
    """

    owner: nn.Module | None
    path: str
    before: list[Tensor]
    after: list[Tensor]
    inside: bool = False


@dataclass(frozen=True)
class Attention:
    """One call of attention, as its inputs are after everything about position."""

    owner: nn.Module
    path: str
    query: Tensor
    scaling: float | None
    mask: Tensor | None


class Seams:
    """Records, while entered, what the modules of `model` do."""

    def __init__(self, model: nn.Module) -> None:
        self.paths = {id(module): name for name, module in model.named_modules()}
        names = {type(module).__module__ for module in model.modules()}
        self.files = [sys.modules[name] for name in sorted(names) if ".modeling_" in name]
        self.turns: list[Turn] = []
        self.attentions: list[Attention] = []
        self._undo: list[tuple[Any, str, Any]] = []
        self._depth = 0

    def __enter__(self) -> "Seams":
        for file in self.files:
            for name, found in list(vars(file).items()):
                if name == "eager_attention_forward":
                    self._put(file, name, found, self._attention(found))
                elif inspect.isclass(found) and found.__module__ == file.__name__:
                    for method, inner in list(vars(found).items()):
                        if _TURNS.search(method):
                            self._put_method(found, method, inner)
                elif _TURNS.search(name) and callable(found):
                    self._put(file, name, found, self._turn(found, found))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for holder, name, was in self._undo:
            setattr(holder, name, was)

    def layer(self, path: str, owner: nn.Module | None) -> int | None:
        index = getattr(owner, "layer_idx", None)
        if isinstance(index, int) and index >= 0:
            return index
        found = _LAYER.findall(path)
        return int(found[-1]) if found else None

    def _put(self, holder: Any, name: str, was: Any, new: Any) -> None:
        self._undo.append((holder, name, was))
        setattr(holder, name, new)

    def _put_method(self, holder: type, name: str, found: Any) -> None:
        if isinstance(found, staticmethod):
            plain = found.__func__
            self._put(holder, name, found, staticmethod(self._turn(plain, plain)))
        elif callable(found):
            self._put(holder, name, found, self._turn(found, found))

    def _turn(self, call: Callable[..., Any], described: Any) -> Callable[..., Any]:
        described = described.forward if isinstance(described, nn.Module) else described
        names = list(inspect.signature(described).parameters)

        @functools.wraps(described)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            owner = self._owner()
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            before = [
                value.detach().clone()
                for name, value in given.items()
                if name not in _TABLES and isinstance(value, Tensor) and value.ndim >= 3
            ]
            self._depth += 1
            try:
                out = call(*args, **kwargs)
            finally:
                self._depth -= 1
            after = list(out) if isinstance(out, (tuple, list)) else [out]
            after = [each.detach().clone() for each in after if each is not None]
            path = "" if owner is None else self.paths[id(owner)]
            self.turns.append(Turn(owner, path, before, after, self._depth > 0))
            return out

        return recorded

    def _attention(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(owner: nn.Module, query: Tensor, *args: Any, **kwargs: Any) -> Any:
            mask = args[2] if len(args) > 2 else kwargs.get("attention_mask")
            scaling = args[3] if len(args) > 3 else kwargs.get("scaling")
            path = self.paths.get(id(owner), "")
            self.attentions.append(Attention(owner, path, query.detach().clone(), scaling, mask))
            return call(owner, query, *args, **kwargs)

        return recorded

    def _owner(self) -> nn.Module | None:
        frame = sys._getframe(2)
        while frame is not None:
            found = frame.f_locals.get("self")
            known = isinstance(found, nn.Module) and id(found) in self.paths
            if known and _OWNER.search(type(found).__name__):
                return found
            frame = frame.f_back
        return None

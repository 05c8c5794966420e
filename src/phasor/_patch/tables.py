"""The modules of a model that form its cosines and sines."""

import inspect
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from phasor._patch.measure import MISFIT, apart
from phasor._patch.rebind import WRAPPING, like

_AXES = 4
_SEQ = 3


def forms_tables(module: nn.Module) -> bool:
    """Whether a module is called with activations and positions, and forms cos and sin."""
    name = type(module).__name__.lower()
    if "rotary" not in name and "rope" not in name:
        return False
    parameters = list(inspect.signature(module.forward).parameters)
    return parameters[1:2] == ["position_ids"]


@apart
def has_one_angle(module: nn.Module) -> bool:
    """Whether both channels of each pair get one angle, whatever the positions on each axis are.

    Hunyuan's four axes share out the doubled table, so that the two channels of a pair turn by
    different angles as soon as the axes differ.
    """
    for position_ids in _positions():
        for out in _outputs(module, position_ids, torch.float32):
            for table in out:
                half = table.shape[-1] // 2
                halves = torch.equal(table[..., :half], table[..., half:])
                if not halves and not torch.equal(table[..., ::2], table[..., 1::2]):
                    # Undoubled tables are neither, and need not be: nobody reads them twice.
                    return False
    return True


@apart
def keeps_float32(module: nn.Module) -> type[nn.Module] | None:
    """A class for `module` whose tables are float32 where its activations are narrower.

    Returns:
        The class; `None` where the module cannot be shown to round a float32 table at the end: it
        has none to hand out, or does so already.
    """
    seen = False
    for position_ids in _positions():
        wide = _outputs(module, position_ids, torch.float32)
        narrow = _outputs(module, position_ids, torch.bfloat16)
        for a, b in zip(wide, narrow, strict=False):
            seen = True
            if not all(
                x.dtype == torch.float32 != y.dtype and torch.equal(x.to(y.dtype), y)
                for x, y in zip(a, b, strict=True)
            ):
                return None
    if not seen:
        return None
    kind = type(module)

    def forward(self: nn.Module, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        # A module looks at the dtype, device and shape of its activations, never at their values.
        if x.dtype in (torch.bfloat16, torch.float16):
            x = x.new_zeros(1, dtype=torch.float32).expand(x.shape)
        return kind.forward(self, x, *args, **kwargs)

    return like(kind, {"forward": forward})


def _twin(module: nn.Module) -> nn.Module:
    """A copy to try: a module that counts what it has seen, as dynamic NTK does, must not count it.

    What wraps it stays behind, for that may hold the weights of a whole model. Numbers that are not
    there (on meta, in a trace) are made up: what is asked of the copy does not depend on them.
    """
    twin = type(module).__new__(type(module))
    memo: dict[int, Any] = {id(module): twin}
    numbers = torch.Generator().manual_seed(0)
    for x in (*module.buffers(), *module.parameters(), *vars(module).values()):
        if isinstance(x, Tensor) and (x.is_meta or type(x) not in (Tensor, nn.Parameter)):
            memo[id(x)] = torch.rand(x.shape, generator=numbers).to(x.dtype)
    own = {name: value for name, value in vars(module).items() if name not in WRAPPING}
    vars(twin).update(deepcopy(own, memo))
    return twin


def _positions() -> list[Tensor]:
    several = torch.tensor([[5, 1, 2], [1, 7, 3], [9, 2, 11], [2, 4, 8]])
    return [several[:1], *(several[:axes].unsqueeze(1) for axes in range(2, _AXES + 1))]


def _outputs(
    module: nn.Module, position_ids: Tensor, dtype: torch.dtype
) -> list[tuple[Tensor, ...]]:
    """Its tables, for each type of layer that it knows; none if it does not take such positions."""
    module = _twin(module)
    device = next((x.device for x in module.buffers()), torch.device("cpu"))
    x = torch.zeros(1, _SEQ, 8, dtype=dtype, device=device)
    takes_type = "layer_type" in inspect.signature(module.forward).parameters
    types = list(getattr(module, "layer_types", None) or [None]) if takes_type else [None]
    found = []
    for layer_type in dict.fromkeys(types):
        extra = {} if layer_type is None else {"layer_type": layer_type}
        try:
            out = module(x, position_ids.to(device), **extra)
        except (*MISFIT, KeyError):
            continue
        if isinstance(out, tuple) and all(isinstance(table, Tensor) for table in out):
            found.append(out)
    return found

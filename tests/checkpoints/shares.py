"""Whether a model's own rule for frequencies looks at `partial_rotary_factor`."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn


def honours_a_share(model: nn.Module) -> bool | None:
    """By computing frequencies with and without one; `None` where there is no such rule."""
    found = {
        answer
        for module in model.modules()
        if hasattr(module, "compute_default_rope_parameters")
        if (answer := _fewer_pairs(module)) is not None
    }
    return found.pop() if len(found) == 1 else None


def _fewer_pairs(module: Any) -> bool | None:
    whole, half = (_pairs(module, share) for share in (1.0, 0.5))
    return None if whole is None or half is None else half < whole


def _pairs(module: Any, share: float) -> int | None:
    config = copy.deepcopy(module.config)
    parameters = getattr(config, "rope_parameters", None)
    if not parameters:
        return None
    nested = [label for label, value in parameters.items() if isinstance(value, Mapping)]
    for label in nested or [None]:
        inner = parameters if label is None else parameters[label]
        inner["partial_rotary_factor"] = share
    if not nested:
        return len(module.compute_default_rope_parameters(config)[0])
    if getattr(config, "is_heterogeneous", False):
        config = config.per_layer_config[nested[0]]
        config.rope_parameters = parameters
    return len(module.compute_default_rope_parameters(config, layer_type=nested[0])[0])

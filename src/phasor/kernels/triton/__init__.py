"""The rotation and its fused neighbours as Triton kernels, for GPUs.

Import the modules of this folder inside functions only: `import phasor` must not import Triton.
Without a GPU the same kernels run under Triton's interpreter (`TRITON_INTERPRET=1`, set before
Triton is imported), slowly, on CPU tensors.
"""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any


# Not `from functools import cache`: `cache` is a module of this folder, which the name would hide.
@functools.cache
def launch_of(module: str) -> Callable[..., Any] | None:
    """The `launch` of a module of this folder, or `None` where Triton is not installed."""
    try:
        return import_module(f"phasor.kernels.triton.{module}").launch
    except ImportError:
        return None

"""The compiled library, and why it is not there where it is not."""

import ctypes
import struct
from functools import cache
from pathlib import Path
from typing import Any

# The fields of `Call` in call.h, in its order.
CALL = struct.Struct("=12q2d6q18q")
# How many ways there are to come by an angle, or a table: the roads of call.h.
ANGLE_SOURCES = 6

_LIBRARY = Path(__file__).with_name("librotate.so")
_HOW = "install phasor again where there is a C compiler, or run python -m phasor.kernels.cpu.build"


@cache
def rotate_function() -> Any:
    """The C function, called with the address of a `Call` (call.h); `None` if there is none."""
    return _open()[0]


def why_missing() -> str | None:
    """What to do for the native rotation to be there; `None` where it is."""
    return _open()[1]


@cache
def _open() -> tuple[Any, str | None]:
    if not _LIBRARY.exists():
        return None, f"the native rotation was not built; {_HOW}"
    try:
        library = ctypes.CDLL(str(_LIBRARY))
        size = ctypes.c_int64.in_dll(library, "phasor_call_size").value
        sources = ctypes.c_int64.in_dll(library, "phasor_roads").value
    except (OSError, ValueError) as error:
        return None, f"the native rotation cannot be loaded ({error}); {_HOW}"
    if (size, sources) != (CALL.size, ANGLE_SOURCES):
        return None, f"the native rotation was built from other sources; {_HOW}"
    function = library.phasor_rotate
    function.argtypes = [ctypes.c_char_p]
    function.restype = ctypes.c_int
    return function, None

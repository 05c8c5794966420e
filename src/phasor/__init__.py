"""Every position encoding of Transformers behind one interface, exact at any position."""

from typing import TYPE_CHECKING

from phasor.interruption import end_at_once_if_command as _end_at_once_if_command

_end_at_once_if_command()  # before torch is imported

# ruff: noqa: E402
from phasor import errors as errors
from phasor import positions as positions
from phasor._compose import Compose as Compose
from phasor._encoding_spec import EncodingSpec as EncodingSpec
from phasor._encoding_spec import constructed_from as constructed_from
from phasor.attention import attention as attention
from phasor.encoding import NoPE as NoPE
from phasor.encoding import PositionEncoding as PositionEncoding
from phasor.encoding import ScoreMod as ScoreMod
from phasor.encoding import require_sites as require_sites
from phasor.encodings import MODULES as _ENCODINGS
from phasor.encodings._bases.score import ScoreBias as ScoreBias
from phasor.encodings._bases.turn import QueryKeyTurn as QueryKeyTurn
from phasor.installation import another_phasor as _another_phasor
from phasor.kernels import norm_rotate as norm_rotate
from phasor.kernels import rerotate as rerotate
from phasor.kernels import rotate as rotate
from phasor.kernels import rotate_into_cache as rotate_into_cache
from phasor.per_layer import PerLayer as PerLayer
from phasor.rotary import Frequencies as Frequencies
from phasor.rotary import axial as axial
from phasor.rotary import cos_sin as cos_sin
from phasor.rotary import geometric as geometric
from phasor.rotary import image_periods as image_periods
from phasor.rotary import pixel as pixel
from phasor.rotary import proportional as proportional
from phasor.rotary import scaling as scaling
from phasor.rotary import sections as sections

__version__ = "0.1.0"

if TYPE_CHECKING:
    from phasor import spec as spec
    from phasor._bench.api import bench as bench
    from phasor._check.run import check as check
    from phasor._compare.api import compare as compare
    from phasor._convert.command import convert as convert
    from phasor._explain.api import explain as explain
    from phasor._extend.run import extend as extend
    from phasor._inspect.api import diff as diff
    from phasor._inspect.api import inspect as inspect
    from phasor._patch.patch import patch as patch
    from phasor._patch.patch import unpatch as unpatch
    from phasor._read import examine as examine
    from phasor._read import read as read
    from phasor.encodings import *
    from phasor.spec import PositionSpec as PositionSpec

if _other := _another_phasor():
    import warnings as _warnings

    _warnings.warn(_other, RuntimeWarning, stacklevel=2)

# Nobody waits for what is not asked for: other encodings, models on disk, commands.
_HOMES = {
    **_ENCODINGS,
    "PositionSpec": "phasor.spec",
    "bench": "phasor._bench.api",
    "check": "phasor._check.run",
    "compare": "phasor._compare.api",
    "convert": "phasor._convert.command",
    "diff": "phasor._inspect.api",
    "examine": "phasor._read",
    "explain": "phasor._explain.api",
    "extend": "phasor._extend.run",
    "inspect": "phasor._inspect.api",
    "patch": "phasor._patch.patch",
    "read": "phasor._read",
    "spec": "phasor.spec",
    "unpatch": "phasor._patch.patch",
}

if not TYPE_CHECKING:  # to a checker, a name that does not exist is an error

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'phasor' has no attribute {name!r}")
        from importlib import import_module

        module = import_module(_HOMES[name])
        found = module if name == "spec" else getattr(module, name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES} - {"TYPE_CHECKING"})

"""Every position encoding of Transformers behind one interface, exact at any position."""

from typing import TYPE_CHECKING

from phasor import errors as errors
from phasor import positions as positions
from phasor.attention import attention as attention
from phasor.encoding import Compose as Compose
from phasor.encoding import NoPE as NoPE
from phasor.encoding import PositionEncoding as PositionEncoding
from phasor.encoding import require_sites as require_sites
from phasor.encodings import *
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
    from phasor.checkpoints import read as read
    from phasor.spec import PositionSpec as PositionSpec


def __getattr__(name: str) -> object:
    # Specs are for those who look at models: who only runs one need not wait for them.
    home = {"spec": "phasor.spec", "PositionSpec": "phasor.spec", "read": "phasor.checkpoints"}
    if name not in home:
        raise AttributeError(f"module 'phasor' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(home[name])
    return module if name == "spec" else getattr(module, name)

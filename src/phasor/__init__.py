"""Every position encoding of Transformers behind one interface, exact at any position."""

from typing import TYPE_CHECKING

from phasor import errors as errors
from phasor import positions as positions
from phasor.attention import attention as attention
from phasor.encoding import Compose as Compose
from phasor.encoding import NoPE as NoPE
from phasor.encoding import PositionEncoding as PositionEncoding
from phasor.encoding import require_sites as require_sites
from phasor.encodings import FIRE as FIRE
from phasor.encodings import GRAPEM as GRAPEM
from phasor.encodings import KERPLE as KERPLE
from phasor.encodings import STRING as STRING
from phasor.encodings import ALiBi as ALiBi
from phasor.encodings import FoPE as FoPE
from phasor.encodings import FoX as FoX
from phasor.encodings import Learned as Learned
from phasor.encodings import LieRE as LieRE
from phasor.encodings import LogCPB as LogCPB
from phasor.encodings import LogN as LogN
from phasor.encodings import PoPE as PoPE
from phasor.encodings import QueryTemperature as QueryTemperature
from phasor.encodings import RelativeTable as RelativeTable
from phasor.encodings import Rotary as Rotary
from phasor.encodings import RotaryMixed as RotaryMixed
from phasor.encodings import Sandwich as Sandwich
from phasor.encodings import Sinusoidal as Sinusoidal
from phasor.encodings import T5Bias as T5Bias
from phasor.encodings import XPos as XPos
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
    from phasor.checkpoints.patching.patch import patch as patch
    from phasor.checkpoints.patching.patch import unpatch as unpatch
    from phasor.spec import PositionSpec as PositionSpec


def __getattr__(name: str) -> object:
    # Specs are for those who look at models: who only runs one need not wait for them.
    if name not in ("PositionSpec", "patch", "spec", "unpatch"):
        raise AttributeError(f"module 'phasor' has no attribute {name!r}")
    from importlib import import_module

    if name in ("patch", "unpatch"):
        return getattr(import_module("phasor.checkpoints.patching.patch"), name)
    spec = import_module("phasor.spec")
    return spec if name == "spec" else spec.PositionSpec

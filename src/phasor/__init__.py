"""Every position encoding of Transformers behind one interface, exact at any position."""

from phasor import errors as errors
from phasor import positions as positions
from phasor.attention import attention as attention
from phasor.encoding import Compose as Compose
from phasor.encoding import NoPE as NoPE
from phasor.encoding import PositionEncoding as PositionEncoding
from phasor.encoding import require_sites as require_sites
from phasor.encodings import ALiBi as ALiBi
from phasor.encodings import Learned as Learned
from phasor.encodings import Rotary as Rotary
from phasor.encodings import Sinusoidal as Sinusoidal
from phasor.kernels import rerotate as rerotate
from phasor.kernels import rotate as rotate
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

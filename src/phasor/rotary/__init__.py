"""The mathematics of rotation: frequencies, phase, layout. Pure functions, no modules."""

from phasor.rotary import scaling as scaling
from phasor.rotary.axes import axial as axial
from phasor.rotary.axes import image_periods as image_periods
from phasor.rotary.axes import pixel as pixel
from phasor.rotary.axes import proportional as proportional
from phasor.rotary.axes import sections as sections
from phasor.rotary.conversion import convert_activations as convert_activations
from phasor.rotary.conversion import convert_norm as convert_norm
from phasor.rotary.conversion import convert_projection as convert_projection
from phasor.rotary.conversion_fused import convert_fused as convert_fused
from phasor.rotary.frequencies import Frequencies as Frequencies
from phasor.rotary.frequencies import geometric as geometric
from phasor.rotary.layout import Layout as Layout
from phasor.rotary.phase import Precision as Precision
from phasor.rotary.phase import cos_sin as cos_sin
from phasor.rotary.uneven import doubled_sections as doubled_sections
from phasor.rotary.uneven import tiled as tiled

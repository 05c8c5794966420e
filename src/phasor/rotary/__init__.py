"""The mathematics of rotation: frequencies, phase, layout. Pure functions, no modules."""

from phasor.rotary.frequencies import Frequencies as Frequencies
from phasor.rotary.frequencies import geometric as geometric
from phasor.rotary.layout import Layout as Layout
from phasor.rotary.phase import Precision as Precision
from phasor.rotary.phase import cos_sin as cos_sin

"""Looking at a spec: what its numbers mean for the lengths it meets. Data, no pictures."""

from phasor._inspect.finding import Finding as Finding
from phasor._inspect.inspect import Inspection as Inspection
from phasor._inspect.inspect import inspect as inspect
from phasor._inspect.rotation import Rotation as Rotation
from phasor._inspect.rounding import Rounding as Rounding

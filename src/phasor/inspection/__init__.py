"""Looking at a spec: what its numbers mean for the lengths it meets. Data, no pictures."""

from phasor.inspection.finding import Finding as Finding
from phasor.inspection.inspect import Inspection as Inspection
from phasor.inspection.inspect import inspect as inspect
from phasor.inspection.rotation import Rotation as Rotation
from phasor.inspection.rounding import Rounding as Rounding

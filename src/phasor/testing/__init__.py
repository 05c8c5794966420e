"""Golden tables of rotary encodings, and checks of other people's code against them.

The plugin `phasor_pytest` makes them a fixture, `golden_rotary`; see docs/how-to/inspect.md.
"""

from phasor.testing.golden import GoldenRotary as GoldenRotary
from phasor.testing.golden import golden_cases as golden_cases
from phasor.testing.rotation import check_rotation as check_rotation
from phasor.testing.tables import Deviation as Deviation
from phasor.testing.tables import check_tables as check_tables

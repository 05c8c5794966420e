"""The rotation as a native kernel for the CPU: plain C, called by address.

The library is built with the package where there is a C compiler. Where there was none, everything
works by the reference, and `why_missing()` says what to do.
"""

from phasor.kernels.cpu.launch import launch as launch
from phasor.kernels.cpu.library import why_missing as why_missing
